import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, get } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { RpcError, Status } from "../error.ts";
import { UNREAD_ANSWERS_BYTES_MAX, UNREAD_ANSWERS_TIME_MS } from "../limits.ts";
import { Answers } from "./answers.ts";

const BODY = "x".repeat(16 * 1024 * 1024);

test("answers that nobody reads are bounded in all, and make way for those that are", async () => {
  const clock = new ManualClock();
  const answers = new Answers(clock);
  const refusals: unknown[] = [];
  let [requests, ended] = [0, 0];
  const server = createServer((_request, response) => {
    requests++;
    response.once("close", () => ended++);
    try {
      answers.send(response, BODY);
    } catch (thrown) {
      refusals.push(thrown);
      response.destroy();
    }
  });
  const dir = mkdtempSync(join(tmpdir(), "r2k-answers-"));
  const path = join(dir, "http.sock");
  await once(server.listen(path), "listening");
  const mute: Socket[] = [];
  const most = UNREAD_ANSWERS_BYTES_MAX / BODY.length + 1;
  for (let i = 0; i < most + 5; i++) {
    const socket = connect(path).on("error", () => socket.destroy());
    mute.push(socket);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  await expect.poll(() => requests).toBe(most + 5);
  expect(refusals).toHaveLength(5);
  expect(refusals[0]).toBeInstanceOf(RpcError);
  expect(refusals[0]).toMatchObject({ status: Status.RESOURCE_EXHAUSTED });
  clock.advance(UNREAD_ANSWERS_TIME_MS);
  // The clock alone ends as many as there are too many, without another answer.
  await expect.poll(() => ended).toBe(refusals.length + 1);
  let read = 0;
  const answered = Promise.withResolvers<void>();
  get({ socketPath: path }, (response) => {
    response.on("data", (chunk: Buffer) => (read += chunk.length));
    response.on("end", answered.resolve);
  });
  await answered.promise;
  expect(read).toBe(BODY.length);
  for (const socket of mute) socket.destroy();
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});
