import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { WatchRequest } from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { Status } from "../error.ts";
import { GATEWAY_BODY_TIMEOUT_MS, GATEWAY_INCOMPLETE_MAX } from "../limits.ts";
import { Bodies } from "./bodies.ts";
import { GatewayCall } from "./call.ts";

/** A stream of requests whose body is written by the test. */
function open(bodies: Bodies, clock: ManualClock) {
  const body = new IncomingMessage(new Socket());
  const call = new GatewayCall(body, clock);
  const requests = bodies.messages(WatchRequest, body, call);
  return { call, write: (text: string) => body.push(text), next: () => requests.next() };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("a stream's request fails when it is not complete in time after its begin", async () => {
  const clock = new ManualClock();
  const { call, write, next } = open(new Bodies(1_000, clock), clock);
  write("{}");
  await next();
  const second = next();
  clock.advance(10 * GATEWAY_BODY_TIMEOUT_MS);
  write("{");
  await turn();
  clock.advance(GATEWAY_BODY_TIMEOUT_MS - 1);
  expect(call.failure).toBe(undefined);
  write("}");
  await second;
  void next().catch(() => undefined);
  write('{"create_request":');
  await turn();
  clock.advance(GATEWAY_BODY_TIMEOUT_MS);
  expect(call.failure).toMatchObject({ status: Status.DEADLINE_EXCEEDED });
});

test("incomplete requests are bounded in number over all connections", async () => {
  const clock = new ManualClock();
  const bodies = new Bodies(1_000, clock);
  const begin = () => {
    const opened = open(bodies, clock);
    opened.write("{");
    return { ...opened, request: opened.next() };
  };
  const held = Array.from({ length: GATEWAY_INCOMPLETE_MAX }, begin);
  await turn();
  await expect(begin().request).rejects.toMatchObject({ status: Status.RESOURCE_EXHAUSTED });
  held[0]!.write("}");
  await held[0]!.request;
  const another = begin();
  await turn();
  another.write("}");
  expect(await another.request).toMatchObject({ done: false });
});
