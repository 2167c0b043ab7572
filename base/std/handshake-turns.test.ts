import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect as connectTcp, Socket } from "node:net";
import { connect, createServer } from "node:tls";
import { expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { ManualClock, systemClock } from "./clock.ts";
import { paceHandshakes } from "./handshake-turns.ts";
import { waitFor } from "./wait.ts";

test("handshakes of an address wait for others of it, and none of another's", async () => {
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "-"];
  const pem = execFileSync("openssl", ["req", "-x509", ...made, "-nodes", "-subj", "/CN=x"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const server = createServer({ key: pem, cert: pem }, (socket) => socket.end("served"));
  paceHandshakes(server, systemClock({ unref: true }), { most: 2, turn_ms: 600_000 });
  server.on("tlsClientError", () => undefined);
  const port = await listening(server);
  const sockets: Socket[] = [];
  const kept = <S extends Socket>(socket: S): S => {
    sockets.push(socket.on("error", () => socket.destroy()));
    return socket;
  };
  const secure = (localAddress: string) => {
    const to = { host: "127.0.0.1", port, localAddress, rejectUnauthorized: false };
    return kept(connect(to)).resume();
  };
  try {
    const silent = [1, 2].map(() => kept(connectTcp({ host: "127.0.0.1", port })));
    await Promise.all(silent.map((socket) => once(socket, "connect")));
    const waiting = secure("127.0.0.1");
    const gone = secure("127.0.0.1");
    let isServed = false;
    waiting.on("secureConnect", () => (isServed = true));
    await Promise.all([waiting, gone].map((socket) => once(socket, "connect")));
    gone.destroy();
    for (let n = 0; n < 3; n++) await once(secure("127.0.0.2"), "secureConnect");
    expect(isServed).toBe(false);
    silent[0]!.destroy();
    await once(waiting, "secureConnect");
    await Promise.all([3, 4].map(() => once(secure("127.0.0.1"), "secureConnect")));
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

test("a handshake that is slow keeps others waiting for its turn alone", async () => {
  const server = createServer();
  const clock = new ManualClock();
  paceHandshakes(server, clock, { most: 1, turn_ms: 1_000 });
  let seen = 0;
  server.on("tlsClientError", () => seen++);
  const port = await listening(server);
  let connections = 0;
  server.on("connection", () => connections++);
  const silent = connectTcp({ host: "127.0.0.1", port });
  await waitFor("a connection", () => connections === 1, { clock: systemClock() });
  const wrong = connectTcp({ host: "127.0.0.1", port });
  wrong.on("error", () => wrong.destroy()).resume();
  wrong.write("not TLS");
  await waitFor("another", () => connections === 2, { clock: systemClock() });
  expect(seen).toBe(0);
  clock.advance(1_000);
  await once(wrong, "close");
  expect(seen).toBe(1);
  silent.destroy();
  server.close();
});

test("a connection that was reset before it was accepted takes no turn", () => {
  const server = createServer();
  let handed = 0;
  server.removeAllListeners("connection").on("connection", () => handed++);
  paceHandshakes(server, new ManualClock(), { most: 1, turn_ms: 1_000 });
  const reset = [1, 2].map(() => new Socket());
  for (const socket of reset) server.emit("connection", socket);
  expect([handed, ...reset.map(({ destroyed }) => destroyed)]).toEqual([0, true, true]);
});
