import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CONFIG_MAPS,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { accountTokenRules } from "./account-token-rules.ts";
import {
  type ControlPlane,
  type Others,
  startControlPlane,
  startOurManagers,
} from "./control-plane.ts";
import { hasUpstreamManagers, startUpstreamManagers } from "./upstream-managers.ts";

const TIMEOUT_MS = 180_000;
const namespace = "default";
const INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since";
const LAST_USED = "kubernetes.io/legacy-token-last-used";
const RECORD = {
  namespace: "kube-system",
  name: "kube-apiserver-legacy-service-account-token-tracking",
};
const MARKED = { [INVALID_SINCE]: "2000-01-02" };
const TOKENS: Readonly<Record<string, Record<string, string>>> = {
  unused: {},
  "used-long-ago": { [LAST_USED]: "2000-01-01" },
  "used-lately": { ...MARKED, [LAST_USED]: "9999-01-01" },
  marked: MARKED,
  "marked-and-mounted": MARKED,
  "marked-lately": { [INVALID_SINCE]: "9999-01-01" },
  "made-by-hand": MARKED,
};

const IMPLEMENTATIONS = {
  "our controllers": {
    possible: true,
    start: (others: Others) =>
      startOurManagers(others.connection, others.ca, {
        legacyTokenUnused_ms: 1,
        serviceAccountKey: others.serviceAccountKey,
      }),
  },
  "kube-controller-manager 1.36": {
    possible: hasUpstreamManagers(),
    start: (others: Others) =>
      startUpstreamManagers(others, { "legacy-service-account-token-clean-up-period": "1ms" }),
  },
};

/** Makes tokens as old clusters have them: the cleaner looks when it starts, and a day later. */
async function makeTokens({ connection, ca }: Others): Promise<void> {
  const clock = systemClock();
  const admin = new KubeClient({ ...(await connection("admin", ["system:masters"])), clock });
  const record = admin.resource(CONFIG_MAPS);
  await waitFor("the record", () => record.get(RECORD), { timeout_ms: TIMEOUT_MS / 2 });
  await record.patch(RECORD, "merge", { data: { since: "2000-01-01" } });
  const names = Object.keys(TOKENS).filter((name) => name !== "made-by-hand");
  const {
    metadata: { uid = "" },
  } = await admin
    .resource(SERVICE_ACCOUNTS)
    .create({ metadata: { namespace, name: "build" }, secrets: names.map((name) => ({ name })) });
  for (const [name, labels] of Object.entries(TOKENS)) {
    await admin.resource(SECRETS).create({
      metadata: {
        namespace,
        name,
        labels,
        annotations: {
          "kubernetes.io/service-account.name": "build",
          "kubernetes.io/service-account.uid": uid,
        },
      },
      type: "kubernetes.io/service-account-token",
      // Complete, so that upstream's token controller leaves them as they are.
      stringData: { token: "t", namespace, "ca.crt": ca.cert },
    });
  }
  await admin
    .resource(PODS)
    .create({
      metadata: { namespace, name: "mounts" },
      spec: {
        serviceAccountName: "build",
        automountServiceAccountToken: false,
        containers: [{ name: "c", image: "c" }],
        volumes: [{ name: "v", secret: { secretName: "marked-and-mounted" } }],
      },
    });
  admin.close();
}

for (const [name, { possible, start }] of Object.entries(IMPLEMENTATIONS)) {
  describe.skipIf(!possible)(name, () => {
    let plane: ControlPlane;
    beforeAll(async () => {
      plane = await startControlPlane({
        async startOthers(others) {
          await makeTokens(others);
          return start(others);
        },
      });
    });
    afterAll(() => plane?.close());

    describe("tokens in Secrets", () => accountTokenRules(() => plane));

    it("marks generated tokens that are not used, and deletes those marked before", async () => {
      const labels = async () => {
        const { items } = await plane.admin.resource(SECRETS).list({ namespace });
        return Object.fromEntries(
          items
            .filter(({ metadata }) => metadata.name! in TOKENS)
            .map(({ metadata }) => [metadata.name!, metadata.labels ?? {}]),
        );
      };
      await waitFor(
        "the first look",
        async () => {
          const now = await labels();
          return (
            !("marked" in now) &&
            INVALID_SINCE in now["unused"]! &&
            INVALID_SINCE in now["used-long-ago"]!
          );
        },
        { timeout_ms: TIMEOUT_MS / 2 },
      );
      const day = expect.stringMatching(/^2\d{3}-\d\d-\d\d$/);
      const { marked: _deleted, ...kept } = TOKENS;
      expect(await labels()).toEqual({
        ...kept,
        unused: { [INVALID_SINCE]: day },
        "used-long-ago": { ...TOKENS["used-long-ago"], [INVALID_SINCE]: day },
      });
    });
  });
}
