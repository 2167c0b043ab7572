import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import { answerChallenge, basicCredentials, parseChallenge } from "./registry-auth.ts";

test("a challenge's parameters may be quoted or not", () => {
  const header = 'Bearer realm="https://auth.example/token",service=r.example,scope="a:b:pull"';
  expect(parseChallenge(header)).toEqual({
    scheme: "bearer",
    parameters: { realm: "https://auth.example/token", service: "r.example", scope: "a:b:pull" },
  });
  expect(parseChallenge('Basic realm="x, y"')).toEqual({
    scheme: "basic",
    parameters: { realm: "x, y" },
  });
  expect(parseChallenge("Negotiate")).toBeUndefined();
  expect(parseChallenge(undefined)).toBeUndefined();
});

test("credentials come from either of CRI's two places", () => {
  expect(basicCredentials({ username: "u", password: "p" })).toBe("dTpw");
  expect(basicCredentials({ auth: "dTpw" })).toBe("dTpw");
  expect(basicCredentials({})).toBeUndefined();
});

test("a registry over TLS makes the node ask nothing without: no metadata address", async () => {
  let asked = 0;
  const internal = createServer((_, response) => {
    asked++;
    response.end('{"token": "t"}');
  });
  await listening(internal);
  try {
    const realm = `http://127.0.0.1:${(internal.address() as AddressInfo).port}/latest`;
    const challenge = { scheme: "bearer", parameters: { realm } };
    const request = { scope: "repository:x:pull", clock: systemClock() };
    for (const auth of [undefined, { username: "u", password: "p" }]) {
      const answer = answerChallenge(challenge, auth, { ...request, registry: "https://r/v2/x" });
      await expect(answer).rejects.toMatchObject({ code: "permission-denied" });
    }
    expect(asked).toBe(0);
    const answer = answerChallenge(challenge, undefined, { ...request, registry: "http://r/v2/x" });
    expect(await answer).toBe("Bearer t");
  } finally {
    internal.close();
  }
});
