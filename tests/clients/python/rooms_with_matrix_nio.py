"""matrix-nio through the gateway, where no second factor is asked for: rooms, messages, files and long polls of somebody who has one.

Run by tests/gateway/clients.rs, which sets MATRIX_2FA_URL and a login.
"""

import asyncio
import io
import os

from nio import (
    AsyncClient,
    DiskDownloadResponse,
    DownloadResponse,
    MemoryDownloadResponse,
    RoomCreateResponse,
    RoomMessageText,
    RoomSendResponse,
    SyncResponse,
    UploadResponse,
)

URL = os.environ["MATRIX_2FA_URL"]
SIZE = 3 * 1024 * 1024


async def main():
    client = AsyncClient(URL, os.environ["MATRIX_2FA_USER"])
    client.restore_login(os.environ["MATRIX_2FA_USER"], os.environ["MATRIX_2FA_DEVICE"], os.environ["MATRIX_2FA_TOKEN"])
    first = await client.sync(timeout=0, full_state=True)
    assert isinstance(first, SyncResponse), first

    room = await client.room_create(name="A room")
    assert isinstance(room, RoomCreateResponse), room
    poll = asyncio.create_task(client.sync(timeout=20_000, since=first.next_batch))
    content = {"msgtype": "m.text", "body": "hello through the gateway"}
    sent = await client.room_send(room.room_id, "m.room.message", content)
    assert isinstance(sent, RoomSendResponse), sent
    seen, token = [], (await poll).next_batch
    messages = await client.room_messages(room.room_id, token, limit=20)
    seen = [event.body for event in messages.chunk if isinstance(event, RoomMessageText)]
    later = await client.sync(timeout=0, since=first.next_batch)
    seen += [e.body for e in later.rooms.join[room.room_id].timeline.events if isinstance(e, RoomMessageText)]
    assert content["body"] in seen, seen
    print("sent and synced")

    data = os.urandom(SIZE)
    uploaded, _ = await client.upload(io.BytesIO(data), content_type="application/octet-stream", filesize=SIZE)
    assert isinstance(uploaded, UploadResponse), uploaded
    got = await client.download(uploaded.content_uri)
    assert isinstance(got, (DownloadResponse, MemoryDownloadResponse, DiskDownloadResponse)), got
    assert got.body == data
    print("uploaded and downloaded")

    await client.logout()
    await client.close()
    print("all steps passed")


asyncio.run(main())
