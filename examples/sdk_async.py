"""Run a job from an asyncio program (or a notebook cell, or trio: the same code)."""

import asyncio
from typing import Any

from client_sdk import Client, Result, load_job


async def classify(job_file: str, max_price: str, **connection: Any) -> Result:
    """Offer the job, take the best bid, return the checked result."""
    async with Client.connect("local", **connection) as client:
        lease = await client.submit(load_job(job_file), max_price=max_price)
        async for event in lease.events():
            print(event.kind, event.text)
            if event.kind == "result":
                break
        return await lease.result()


if __name__ == "__main__":
    print(asyncio.run(classify("examples/classify.yaml", "0.40")).path)
