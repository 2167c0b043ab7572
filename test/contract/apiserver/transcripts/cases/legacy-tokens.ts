/** Tokens in Secrets, and the tracking of their use. */
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Case, Recorder } from "../recorder.ts";

const CLAIM = "kubernetes.io/serviceaccount/";
const REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";
const WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since";
const TIMEOUT_MS = 60_000;

interface Kept {
  token: string;
  claims: object;
}

/** Makes an account and a Secret with a token of it, as the controller of tokens does. */
async function keep(recorder: Recorder, name: string, more: object = {}): Promise<Kept> {
  const { ns, post, peek, sign } = recorder;
  const account = { metadata: { name }, ...more };
  const { metadata } = await peek("POST", "serviceaccounts", { body: account });
  const claims = {
    iss: "kubernetes/serviceaccount",
    [`${CLAIM}namespace`]: ns,
    [`${CLAIM}secret.name`]: `${name}-token`,
    [`${CLAIM}service-account.name`]: name,
    [`${CLAIM}service-account.uid`]: metadata.uid,
    sub: `system:serviceaccount:${ns}:${name}`,
  };
  const token = sign(claims);
  const annotations = { "kubernetes.io/service-account.name": name };
  await post("secrets", {
    metadata: { name: `${name}-token`, annotations },
    type: "kubernetes.io/service-account-token",
    data: { token: Buffer.from(token).toString("base64") },
  });
  return { token, claims };
}

const by = (token: string) =>
  ({ anonymous: true, headers: { authorization: `Bearer ${token}` } });

const review = (token: string, audiences?: string[]) =>
  ({ spec: { token, ...(audiences && { audiences }) } });

export const LEGACY_TOKENS: readonly Case[] = [
  {
    name: "legacy tokens: use",
    async run(recorder) {
      const { post, get, patch, peek } = recorder;
      const { token } = await keep(recorder, "old");
      await get("secrets/old-token");
      await get("configmaps", by(token));
      await post(WHO, {}, by(token));
      await get("secrets/old-token");
      await post(REVIEWS, review(token));
      await post(REVIEWS, review(token, ["https://kubernetes.default.svc", "x"]));
      await post(REVIEWS, review(token, ["other"]));
      // A token that the account lists was auto-generated.
      const listed = { secrets: [{ name: "generated-token" }] };
      const generated = await keep(recorder, "generated", listed);
      await post(WHO, {}, by(generated.token));
      await post(REVIEWS, review(generated.token));
      const marked = { metadata: { labels: { [INVALID_SINCE]: "2020-01-01" } } };
      await patch("secrets/old-token", "merge", marked);
      // Servers believe a token for a while without looking again.
      const isRefused = async () =>
        !isBelieved(await peek("POST", REVIEWS, { body: review(token) }));
      await waitFor("the mark", isRefused, { clock: systemClock(), timeout_ms: TIMEOUT_MS });
      await post(REVIEWS, review(token));
      await get("configmaps", by(token));
      const unmarked = { metadata: { labels: { [INVALID_SINCE]: null } } };
      await patch("secrets/old-token", "merge", unmarked);
      await post(REVIEWS, review(token));
    },
  },
  {
    name: "legacy tokens: refusals",
    async run(recorder) {
      const { ns, post, sign, delete: remove, get } = recorder;
      const { claims } = await keep(recorder, "old");
      const refused = async (changes: object) =>
        post(REVIEWS, review(sign({ ...claims, ...changes })));
      await refused({ extra: "not the Secret's" });
      await refused({ iss: "somebody else" });
      await refused({ sub: `system:serviceaccount:${ns}:other` });
      await refused({ sub: undefined });
      for (const name of ["namespace", "secret.name", "service-account.name"]) {
        await refused({ [`${CLAIM}${name}`]: undefined });
      }
      await refused({ [`${CLAIM}service-account.uid`]: undefined });
      await refused({ [`${CLAIM}secret.name`]: "nosuch" });
      const gone = await keep(recorder, "gone");
      await remove("serviceaccounts/gone");
      await post(REVIEWS, review(gone.token));
      await get("configmaps", by(gone.token));
      await post("serviceaccounts", { metadata: { name: "gone" } });
      await post(REVIEWS, review(gone.token));
      const away = await keep(recorder, "away");
      await remove("secrets/away-token");
      await post(REVIEWS, review(away.token));
      await post(REVIEWS, review(`${away.token.slice(0, -8)}AAAAAAAA`));
      await get("configmaps", { anonymous: true, headers: { authorization: "Bearer  spaced" } });
      await get("configmaps", { anonymous: true, headers: { authorization: "Bearer a b" } });
      await get("configmaps", { anonymous: true, headers: { authorization: "Bearer" } });
    },
  },
];

const isBelieved = ({ status }: { [name: string]: unknown }): boolean =>
  (status as { authenticated?: boolean } | undefined)?.authenticated === true;
