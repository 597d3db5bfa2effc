"""What tests share: stand-ins for services, the command line in a child process, and independent figures."""
