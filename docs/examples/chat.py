"""Two people register, become friends and chat: `python docs/examples/chat.py [http://127.0.0.1:8080]`."""

import asyncio
import random
import sys

from xinyu.client import SINGLE, Client, RecordAdded


async def main(url: str) -> None:
    async with Client(url) as ann, Client(url) as ben:
        await ann.register("Ann", f"1{random.randrange(10**10):010}", "a long password")
        await ben.register("Ben", f"1{random.randrange(10**10):010}", "another password")
        await ann.start()
        await ben.start()

        ben_id = (await ann.search((await ben.detail()).mobile)).user_id
        await ann.apply(ben_id, "It is me, Ann")
        for application in await ben.applications():
            await ben.accept(application.id)

        told = ben.events()
        message = await ann.send_text(SINGLE, ben_id, "Hello, Ben!")  # returns when it is stored
        async for notice in told:
            if isinstance(notice, RecordAdded) and notice.record.msg_id == message.msg_id:
                break
        for record in reversed(await ben.history(message.talk_id)):
            print(f"{record.sequence}. {record.nickname}: {record.text}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
