import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { expect, it, onTestFinished } from "vitest";
import { type FakeServer, sendJson, startFakeServer } from "../../testing/apiserver/fake-issuer.ts";
import { waitFor } from "../../testing/wait.ts";
import { REMOTE_CALLS_MAX, SHARE } from "../limits.ts";
import { tokenWebhook } from "./token-webhook.ts";

const ANN = { authenticated: true, user: { username: "ann" } };

/** Answers reviews with a status. */
const answering =
  (status: () => object): FakeServer["answer"] =>
  (_, body, response) =>
    sendJson(response, { ...(JSON.parse(body) as object), status: status() });

/** A server that answers so, and the webhook that asks it. */
async function start(answer: FakeServer["answer"]) {
  const server = await startFakeServer(answer);
  onTestFinished(() => server.close());
  const access = { url: `${server.url}/token`, ca: server.ca };
  const webhook = tokenWebhook({ access, version: "v1" }, systemClock());
  onTestFinished(() => webhook.close());
  return { server, webhook };
}

it("an error is asked about again, and a refusal is known for a while", async () => {
  let error: string | undefined = "the directory does not answer";
  const { server, webhook } = await start(answering(() => given({ authenticated: false, error })));
  expect(await webhook.verify("t", ["api"], { name: "" })).toEqual({ refused: error });
  error = undefined;
  expect(await webhook.verify("t", ["api"], { name: "" })).toBeUndefined();
  expect(await webhook.verify("t", ["api"], { name: "" })).toBeUndefined();
  expect(server.asked.get("/token")).toBe(2);
});

it("a token is good for the audiences that were asked for and the webhook names", async () => {
  const { webhook } = await start(answering(() => ({ ...ANN, audiences: ["vault", "api"] })));
  const user = { name: "ann", groups: [], extra: {} };
  expect(await webhook.verify("t", ["api"], { name: "" })).toEqual({ user, audiences: ["api"] });
  expect(await webhook.verify("t", ["other"], { name: "" })).toBeUndefined();
});

it("tokens beyond an address's share of a webhook that hangs wait; others' are asked", async () => {
  const { server, webhook } = await start(() => undefined);
  const busy = { name: "192.0.2.1" };
  const share = Math.ceil(REMOTE_CALLS_MAX * SHARE);
  const asked = Array.from({ length: share }, (_, i) => webhook.verify(`t${i}`, ["api"], busy));
  // A client takes 401 for the end of its token, which may be good.
  await expect(webhook.verify("beyond", ["api"], busy)).rejects.toMatchObject({ http: 429 });
  const clock = systemClock();
  await waitFor("the calls", () => server.asked.get("/token") === share, { clock });
  server.answer = answering(() => ANN);
  const other = await webhook.verify("other", ["api"], { name: "192.0.2.2" });
  expect(other).toMatchObject({ user: { name: "ann" } });
  webhook.close();
  await Promise.all(asked);
});
