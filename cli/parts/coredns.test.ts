import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { CONNECTIONS_OF_ADDRESS_MAX } from "@raft2kube/client-kube/limits.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { freePort } from "../../testing/free-port.ts";
import { servePage, upstreamsOf } from "./coredns.ts";

test("one address has a part of the connections to a page, and others get it", async () => {
  const port = await freePort();
  const page = servePage(port, "/health", async () => ({ status: 200, body: "OK" }));
  const open = async (localAddress: string) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  const held = await Promise.all(
    Array.from({ length: CONNECTIONS_OF_ADDRESS_MAX }, () => open("127.0.0.2")),
  );
  try {
    const refused = await open("127.0.0.2");
    await once(refused.resume(), "close");
    const other = await open("127.0.0.3");
    held.push(other);
    other.write("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    const [answer] = (await once(other, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  } finally {
    for (const socket of held) socket.destroy();
    page?.close();
  }
});

test("a resolv.conf may have resolvers of IPv6; those on loopback would be this server", () => {
  const dir = testFolder("r2k-coredns-");
  const file = join(dir, "resolv.conf");
  writeFileSync(file, "nameserver 127.0.0.53\nnameserver 2001:db8::1\n");
  expect(upstreamsOf([file, "dns://192.0.2.1:5353"])).toEqual([
    { address: "2001:db8::1", port: 53 },
    { address: "192.0.2.1", port: 5353 },
  ]);
});
