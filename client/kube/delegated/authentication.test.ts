import type { IncomingMessage } from "node:http";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { REVIEWS_AT_ONCE_MAX } from "../limits.ts";
import type { KubeClient } from "../rest/client.ts";
import { Authentication } from "./authentication.ts";

test("reviews of unknown tokens are bounded", async () => {
  const asked: ((answer: object) => void)[] = [];
  const request = () => new Promise((resolve) => asked.push(resolve));
  const client = { request } as unknown as KubeClient;
  const authentication = new Authentication(client, new ManualClock());
  const userOf = (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return authentication.userOf({ headers, socket: {} } as unknown as IncomingMessage);
  };
  const tokens = Array.from({ length: REVIEWS_AT_ONCE_MAX }, (_, i) => `token-${i}`);
  const users = tokens.map(userOf);
  await expect(userOf("one-more")).rejects.toMatchObject({ status: 429 });
  expect(asked).toHaveLength(REVIEWS_AT_ONCE_MAX);
  for (const answer of asked) answer({ status: { authenticated: true, user: { username: "u" } } });
  expect(await Promise.all(users)).toContainEqual({ name: "u", groups: [] });
  const late = userOf("one-more");
  asked.at(-1)!({ status: {} });
  await expect(late).rejects.toMatchObject({ status: 401 });
});
