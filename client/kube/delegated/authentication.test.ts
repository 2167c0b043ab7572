import type { IncomingMessage } from "node:http";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { REVIEWS_AT_ONCE_MAX } from "../limits.ts";
import type { KubeClient } from "../rest/client.ts";
import { AccessReviews } from "./access-reviews.ts";
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
  expect(await Promise.all(users)).toContainEqual({ name: "u", groups: ["system:authenticated"] });
  const late = userOf("one-more");
  asked.at(-1)!({ status: {} });
  await expect(late).rejects.toMatchObject({ status: 401 });
});

test("users have the group of all authenticated ones; reviews get their uid and extra", async () => {
  const bodies: { spec: object }[] = [];
  const user = { username: "t", uid: "1", groups: ["a"], extra: { "example.com/tenant": ["x"] } };
  const client = {
    request: ({ body }: { body: { spec: object } }) => {
      bodies.push(body);
      return Promise.resolve({ status: { authenticated: true, user, allowed: true } });
    },
  } as unknown as KubeClient;
  const clock = new ManualClock();
  const authentication = new Authentication(client, clock);
  const reviews = new AccessReviews(client, clock);
  const nonResourceAttributes = { path: "/metrics", verb: "get" };
  const review = async (request: object) => {
    const known = await authentication.userOf(request as IncomingMessage);
    await reviews.isAllowed(known, { nonResourceAttributes });
    return bodies.at(-1)!.spec;
  };
  const { uid, extra } = user;
  const groups = ["a", "system:authenticated"];
  expect(await review({ headers: { authorization: "Bearer x" }, socket: {} })).toEqual({
    ...{ user: "t", uid, groups, extra, nonResourceAttributes },
  });
  const getPeerCertificate = () => ({ subject: { CN: "c", O: "a" } });
  expect(await review({ headers: {}, socket: { authorized: true, getPeerCertificate } })).toEqual({
    ...{ user: "c", groups, nonResourceAttributes },
  });
});
