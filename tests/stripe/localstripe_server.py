"""Runs localstripe on a loopback port (the first argument), in memory, with the account that it lacks."""

import sys

from aiohttp import web
from localstripe import resources
from localstripe.server import app


async def account(request: web.Request) -> web.Response:
    return web.json_response({"id": "acct_local", "object": "account"})


if __name__ == "__main__":
    resources.Store.dump_to_disk = lambda self: None
    app.router.add_get("/v1/account", account)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
