# The same work as BenchmarkCrawl in Scrapy: fetch the list pages of every portal
# and read forty offers from each. Run by the benchmark; usage:
#   python3 scrapy_spider.py PORT PORTALS PAGES
# It prints the pages and offers found, and the CPU time without the imports.
import resource
import sys

import scrapy
from scrapy.crawler import CrawlerProcess

port, portals, pages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
found = {"pages": 0, "offers": 0}


class Portals(scrapy.Spider):
    name = "portals"

    async def start(self):
        for request in self.first():
            yield request

    def start_requests(self):  # before Scrapy 2.13
        yield from self.first()

    def first(self):
        for n in range(portals):
            # One address for all; each portal is a slot of its own, as in the crawler.
            yield scrapy.Request(
                f"http://127.0.0.1:{port}/boutiques?page=1",
                headers={"Host": f"p{n}.localhost:{port}"},
                meta={"download_slot": f"p{n}", "portal": n, "number": 1},
                dont_filter=True,
            )

    def parse(self, response):
        found["pages"] += 1
        for shop in response.css("#list .shop"):
            offer = {
                "name": shop.css(".name::text").get(),
                "rate": float(shop.css(".rate::text").get().rstrip(" %").replace(",", ".")),
                "link": response.urljoin(shop.css("a::attr(href)").get()),
                "logo": response.urljoin(shop.css("img::attr(src)").get()),
            }
            if offer["name"]:
                found["offers"] += 1
        following = response.css("link[rel=next]::attr(href)").get()
        if following and response.meta["number"] < pages:
            yield scrapy.Request(
                response.urljoin(following),
                headers={"Host": f"p{response.meta['portal']}.localhost:{port}"},
                meta={**response.meta, "number": response.meta["number"] + 1},
                dont_filter=True,
            )


process = CrawlerProcess(
    settings={
        "LOG_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "ROBOTSTXT_OBEY": False,  # in its favour
        "CONCURRENT_REQUESTS": 16,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_DELAY": 0,
        "COOKIES_ENABLED": False,
        "RETRY_ENABLED": False,
    }
)


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


before = used()
process.crawl(Portals)
process.start()
print("cpu", used() - before)
print("pages", found["pages"], "offers", found["offers"])
sys.exit(0 if found["pages"] == portals * pages else 1)
