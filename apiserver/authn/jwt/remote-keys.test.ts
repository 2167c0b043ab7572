import type { ServerResponse } from "node:http";
import { ManualClock, type Timer } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeIssuer } from "../../../testing/apiserver/fake-issuer.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ISSUER_RETRY_MS } from "../../limits.ts";
import { readAuthenticationConfig } from "./config.ts";
import { RemoteKeys } from "./remote-keys.ts";

const MIB = 1024 * 1024;
/** The time and the bytes of an answer that docs/SECURITY.md promises. */
const [TIME_MS, DOCUMENT_BYTES] = [30_000, MIB];

/** A clock that knows whether the next look is planned: the last one failed. */
class Planned extends ManualClock {
  looks = 0;

  override after(delay_ms: number, fn: () => void): Timer {
    if (delay_ms === ISSUER_RETRY_MS) this.looks++;
    return super.after(delay_ms, fn);
  }
}

let issuer: FakeIssuer;
let clock: Planned;
let keys: RemoteKeys | undefined;
/** The answer to the first request, once it was asked for, and whether its connection is closed. */
let first: ServerResponse | undefined;
let closed: boolean;

beforeEach(async () => {
  issuer = await FakeIssuer.start();
  clock = new Planned();
  [keys, first, closed] = [undefined, undefined, false];
});
afterEach(async () => {
  await keys?.close();
  await issuer.close();
});

/** Keys of an issuer that answers its first request so, and all others rightly. */
async function keysOf(answer: (response: ServerResponse) => void): Promise<RemoteKeys> {
  issuer.server.answer = (request, _, response) => {
    if (first !== undefined) return issuer.serve(request, response);
    first = response.on("close", () => {
      closed = true;
    });
    answer(response);
  };
  const { issuers } = await readAuthenticationConfig(issuer.configuration());
  keys = new RemoteKeys(issuers[0]!, clock, () => undefined);
  await waitFor("a request", () => first !== undefined);
  return keys;
}

/** Waits until the look has failed without a second request, and until the next one succeeds. */
async function recovers(found: RemoteKeys): Promise<void> {
  await waitFor("the next look", () => clock.looks === 1);
  expect(found.known).toBeUndefined();
  expect([...issuer.server.asked.values()]).toEqual([1]);
  clock.advance(ISSUER_RETRY_MS);
  await found.ready;
  expect(found.known).toHaveLength(1);
}

describe("an issuer", () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ["before its answer", () => undefined],
    ["within it", (response) => void response.writeHead(200).write("{")],
  ])("that hangs %s is given up after its time", async (_, answer) => {
    const found = await keysOf(answer);
    clock.advance(TIME_MS - 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect([closed, clock.looks]).toEqual([false, 0]);
    clock.advance(1);
    await waitFor("the connection's end", () => closed);
    await recovers(found);
  });

  it("that serves 100 MiB is given up after the bytes that a document may have", async () => {
    const piece = Buffer.alloc(64 * 1024, " ");
    let served = 0;
    const found = await keysOf((response) => {
      response.writeHead(200, { "content-length": 100 * MIB });
      const more = () => {
        while (served < 100 * MIB && !response.destroyed) {
          served += piece.length;
          if (!response.write(piece)) break;
        }
      };
      response.on("drain", more);
      more();
    });
    await waitFor("the connection's end", () => closed);
    // The buffers of the kernel at both ends hold more than what was read.
    expect(served).toBeLessThan(DOCUMENT_BYTES + 20 * MIB);
    await recovers(found);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ["redirects", (response) => void response.writeHead(302, { location: "/keys" }).end()],
    ["breaks off", (response) => void response.destroy()],
    ["answers with a list", (response) => void response.writeHead(200).end("[]")],
    [
      "has documents of another",
      (response) =>
        void response
          .writeHead(200)
          .end(JSON.stringify({ issuer: "https://other", jwks_uri: "https://other" })),
    ],
  ])("that %s is asked nothing more until the next look", async (_, answer) => {
    await recovers(await keysOf(answer));
  });
});
