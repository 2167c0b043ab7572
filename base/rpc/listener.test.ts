import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { expect, test } from "vitest";
import { listen } from "./listener.ts";

test("headers that do not end are given up, a request that is answered late is not", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-listener-"));
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
    rmSync(dir, { recursive: true });
  }
});
