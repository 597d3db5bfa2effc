"""The CloudFormation stack: planned, provisioned, deployed, inspected and removed."""
