from tests.integration.services.embedded_platform import embedded_platform
from tests.integration.services.user.user_room import UserRoom
from xinyu.wire.v1 import user_pb2, options_pb2

async def test_smoke(tmp_path):
    async with embedded_platform(tmp_path) as p:
        room = UserRoom(p)
        uid = await room.register("13800000001", "Ann")
        await p.online(uid, 0, 1)
        t = await room.stub.authenticate(user_pb2.AuthenticateRequest(mobile="13800000001", password="correct horse", secure=True))
        assert room.tokens.verify(t.access_token).user_id == uid
        await room.stub.update_profile(user_pb2.UpdateProfileRequest(user_id=uid, motto="", birthday="1999-01-01"))
        await p.settled()
        print(p.gateway.delivered)
        r = await room.stub.load_rows(options_pb2.RowsRequest(user_id=uid, version=0))
        print(r)
        room.passwords.close()
