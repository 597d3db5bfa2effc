"""Quotes a second of async-kinesis, with records made before the clock starts and its pacing switched off.

    producer_async_kinesis.py URL QUOTES

``producer.py --async-kinesis`` runs it, in an environment of its own: it needs another botocore than this
program. It prints one line of JSON.
"""

import asyncio
import json
import os
import sys
import time

SYMBOLS = 10_000


async def main(url: str, quotes: int) -> None:
    """Send ``quotes`` and print the figures."""
    from kinesis import Producer
    from kinesis.processors import StringProcessor

    symbols = [f"S{number:05}" for number in range(SYMBOLS)]
    made = [
        (
            symbol,
            f'{{"symbol":"{symbol}","timestamp":"2026-01-05T14:00:{number % 60:02}.000Z",'
            f'"price":{100 + number},"previous_close":101.5,"open":101.5,"high":null,"low":null,'
            '"volume":1,"source":"market",'
            '"observed_at":"2026-01-05T14:00:00.000Z"}',
        )
        for number in range(quotes // SYMBOLS)
        for symbol in symbols
    ]
    async with Producer(
        "stock-market-stream",
        endpoint_url=url,
        region_name="eu-west-1",
        processor=StringProcessor(),
        use_list_shards=True,
        put_rate_limit_per_shard=10**9,
        put_bandwidth_limit_per_shard=10**9,
        max_queue_size=10_000,
    ) as producer:
        began, cpu = time.perf_counter(), time.process_time()
        for symbol, data in made:
            await producer.put(data, partition_key=symbol)
        await producer.flush()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"quotes": len(made), "seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    os.environ.update(
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true"
    )
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
