import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { expect, test } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { type TestMember, TestMembers } from "../../testing/store/members.ts";

const key = Buffer.from("k");

test("a signed-in client continues while members restart without its token", async () => {
  const members = new TestMembers();
  try {
    const all = await members.add("a", "b", "c");
    const ports = new Map<TestMember, number>();
    for (const member of all) ports.set(member, await freePort());
    const start = (member: TestMember) => {
      const listenClient = { host: "127.0.0.1", port: ports.get(member)! };
      return members.start(member, all, { auth: { bcryptCost: 4 }, listenClient });
    };
    await Promise.all(all.map(start));
    const endpoints = [...ports.values()].map((port) => `http://127.0.0.1:${port}`);
    const client = connectEtcd({ endpoints });
    await client.auth.userAdd({ name: "root", password: "secret" });
    await client.auth.userGrantRole({ user: "root", role: "root" });
    await client.auth.authEnable({});
    const root = client.as({ name: "root", password: "secret" });
    let written = 0;
    const write = async () => {
      await root.put({ key, value: Buffer.from(`${++written}`) });
      const { kvs } = await root.range({ key });
      expect(kvs[0]!.value.toString()).toBe(`${written}`);
    };
    await write();
    // One after the other, so that in the end no member knows the first token.
    for (const member of all) {
      await members.stop(member);
      await write();
      await start(member);
      await write();
    }
    await client.close();
  } finally {
    await members.stopAll();
  }
});
