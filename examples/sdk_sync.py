"""The same without async; looks at the quotes before it takes one."""

from typing import Any

from client_sdk import Client, Result, load_job


def classify(job_file: str, max_price: str, **connection: Any) -> Result:
    """Offer the job, show the quotes, take the best one, return the checked result."""
    with Client.connect("local", **connection) as client:
        auction = client.auction(load_job(job_file), max_price=max_price)
        for quote in auction.quotes:
            print(quote.provider, quote.price, quote.grams_co2, quote.why)
        return auction.open().result()


if __name__ == "__main__":
    print(classify("examples/classify.yaml", "0.40").path)
