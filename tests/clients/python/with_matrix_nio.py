"""matrix-nio against a server with second factors; pyotp is the authenticator.

Run by tests/clients.rs, which sets MATRIX_2FA_URL. The server's clock stands still unless we move it.
"""

import asyncio
import json
import os

import aiohttp
import pyotp
from nio import (
    AsyncClient,
    AsyncClientConfig,
    DeleteDevicesAuthResponse,
    DeleteDevicesResponse,
    DevicesResponse,
    LoginError,
    LoginResponse,
    RegisterResponse,
)

URL = os.environ["MATRIX_2FA_URL"]
PREFIX = "/_matrix/client/v3/account/"
PASSWORD, TOTP, RECOVERY = "m.login.password", "m.login.2fa.totp", "m.login.2fa.recovery"
SSO = "m.login.sso"


async def clock(now_ms=None):
    async with aiohttp.ClientSession() as session:
        if now_ms is None:
            async with session.get(f"{URL}/_test/clock") as response:
                return (await response.json())["now_ms"]
        async with session.post(f"{URL}/_test/clock", json={"now_ms": now_ms}) as response:
            assert response.status == 200, response


class Phone:
    """An authenticator that never shows a step twice."""

    def __init__(self, seed):
        self.totp, self.last = pyotp.TOTP(seed), 0

    async def code(self):
        present = await clock() // 30_000
        step = max(self.last + 1, present - 1)
        if step > present + 1:
            await clock((step - 1) * 30_000)
        self.last = step
        return self.totp.at(step * 30)

    async def wrong(self):
        now = await clock() // 1000
        near = {self.totp.at(now + 30 * shift) for shift in range(-2, 3)}
        return next(code for code in (f"{n:06}" for n in range(9)) if code not in near)


class Person:
    def __init__(self, name, password):
        self.name, self.password = name, password

    def password_stage(self):
        identifier = {"type": "m.id.user", "user": self.name}
        return {"type": PASSWORD, "identifier": identifier, "password": self.password}

    def client(self):
        return AsyncClient(URL, self.name, config=AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0))

    async def challenge(self, client):
        """The first request of a login. nio gives an error; its raw answer has the session."""
        answer = await client.login_raw(self.password_stage())
        assert isinstance(answer, LoginError), answer
        # With an errcode nio understands the error, instead of "unknown error".
        assert answer.status_code == "M_FORBIDDEN" and answer.message, answer
        body = await answer.transport_response.json()
        assert body["completed"] == [PASSWORD], body
        return body["session"]

    async def login(self, client, stage):
        session = await self.challenge(client)
        return await client.login_raw({**self.password_stage(), "auth": {**stage, "session": session}})


async def request(client, method, path, body):
    headers = {"Authorization": f"Bearer {client.access_token}", "Content-Type": "application/json"}
    response = await client.send(method, path, json.dumps(body), headers)
    return response.status, await response.json()


async def authorized(client, method, path, body, stages):
    """An interactive-auth operation that nio has no method for."""
    status, answer = await request(client, method, path, body)
    for stage in stages:
        assert status == 401, answer
        auth = {**stage, "session": answer["session"]}
        status, answer = await request(client, method, path, {**body, "auth": auth})
    assert status == 200, answer
    return answer


async def main():
    person = Person(f"nio{os.getpid()}", "correct horse")
    client = person.client()
    registered = await client.register(person.name, person.password)
    assert isinstance(registered, RegisterResponse), registered

    pending = await authorized(client, "POST", PREFIX + "two-factor/totp", {"name": "phone"}, [person.password_stage()])
    assert pyotp.parse_uri(pending["uri"]).secret == pending["seed"], "pyotp reads the URI"
    phone = Phone(pending["seed"])
    confirmation = {"id": pending["id"], "token": await phone.code()}
    status, confirmed = await request(client, "POST", PREFIX + "two-factor/totp/confirm", confirmation)
    assert status == 200 and len(confirmed["recovery"]["tokens"]) == 10, confirmed
    codes = confirmed["recovery"]["tokens"]
    print("enrolled")

    second = person.client()
    wrong = await person.login(second, {"type": TOTP, "token": await phone.wrong()})
    assert isinstance(wrong, LoginError) and wrong.status_code == "M_FORBIDDEN", wrong
    right = await person.login(second, {"type": TOTP, "token": await phone.code()})
    assert isinstance(right, LoginResponse), right
    assert (await second.whoami()).user_id == client.user_id
    print("logged in with a second stage")

    challenge = await client.delete_devices([second.device_id])
    assert isinstance(challenge, DeleteDevicesAuthResponse), challenge
    flows = [flow["stages"] for flow in challenge.flows]
    assert flows == [[SSO], [PASSWORD, TOTP], [PASSWORD, RECOVERY]], flows
    half = await client.delete_devices([second.device_id], {**person.password_stage(), "session": challenge.session})
    assert not isinstance(half, DeleteDevicesResponse), half
    totp = {"type": TOTP, "token": await phone.code(), "session": challenge.session}
    done = await client.delete_devices([second.device_id], totp)
    assert isinstance(done, DeleteDevicesResponse), done
    devices = await client.devices()
    assert isinstance(devices, DevicesResponse) and [device.id for device in devices.devices] == [client.device_id], devices
    print("deleted a device")

    body = {"new_password": "battery staple", "logout_devices": False}
    stages = [person.password_stage(), {"type": TOTP, "token": await phone.code()}]
    await authorized(client, "POST", PREFIX + "password", body, stages)
    person.password = "battery staple"
    print("changed the password")

    third = person.client()
    back = await person.login(third, {"type": RECOVERY, "token": codes[0]})
    assert isinstance(back, LoginResponse), back
    again = await person.login(third, {"type": RECOVERY, "token": codes[0]})
    assert isinstance(again, LoginError), again
    print("came back with a recovery code")

    fourth = person.client()
    one_field = await fourth.login(person.password + await phone.code())
    assert isinstance(one_field, LoginResponse), one_field
    synced = await fourth.sync(timeout=0)
    assert synced.next_batch, synced
    for each in (client, second, third, fourth):
        await each.close()
    print("all steps passed")


asyncio.run(main())
