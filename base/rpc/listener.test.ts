import { once } from "node:events";
import { get } from "node:https";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { listen } from "./listener.ts";

test("headers that do not end are given up, a request that is answered late is not", async () => {
  const dir = testFolder("r2k-listener-");
  const path = join(dir, "rpc.sock");
  let answer: () => void = () => undefined;
  const listener = await listen({
    listen: { path },
    tls: undefined,
    onHttp2: () => undefined,
    http: (_request, response) => (answer = () => void response.end("late")),
    turns: new InputTurns(systemClock()),
    timeouts: { headers_ms: 50, check_ms: 10 },
  });
  const patient = connect(path).on("error", () => undefined);
  patient.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const slow = connect(path).on("error", () => undefined);
  slow.write("GET / HTTP/1.1\r\nHost: x\r\n");
  try {
    slow.resume();
    await new Promise((resolve) => slow.on("close", resolve));
    answer();
    expect(await text(patient)).toContain("late");
  } finally {
    listener.close();
  }
});

test("connections that begin no handshake are bounded, and keep no other address out", async () => {
  const ca = await createCa({ commonName: "ca", days: 1, now_ms: Date.now() });
  const subject = { commonName: "x", ipAddresses: ["127.0.0.1"], usages: ["server"] as const };
  const own = await issueCertificate(ca, { ...subject, days: 1 }, Date.now());
  const [ofAddress, all] = [4, 16];
  const listener = await listen({
    listen: { host: "127.0.0.1", port: 0 },
    tls: { cert: own.cert, key: own.key },
    http: (_request, response) => void response.end("served"),
    turns: new InputTurns(systemClock()),
    handshakes: { ofAddress, all },
  });
  const { port } = listener;
  const sockets: Socket[] = [];
  const dial = async (localAddress: string) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    sockets.push(socket.on("error", () => socket.destroy()).resume());
    await once(socket, "connect");
  };
  const open = () => sockets.filter(({ closed }) => !closed).length;
  try {
    for (let i = 0; i <= ofAddress; i++) await dial("127.0.0.1");
    await expect.poll(open).toBe(ofAddress);
    for (let n = 2; n <= all / ofAddress; n++) {
      for (let i = 0; i < ofAddress; i++) await dial(`127.0.0.${n}`);
    }
    expect(open()).toBe(all);
    const init = { host: "127.0.0.1", port, ca: ca.cert, agent: false };
    const answer = await new Promise<string>((resolve, reject) => {
      get({ ...init, localAddress: "127.0.1.1" }, (got) => resolve(text(got))).on("error", reject);
    });
    expect(answer).toBe("served");
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
  }
});
