import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  ApiextensionsV1Api,
  CustomObjectsApi,
  KubeConfig,
  type V1CustomResourceDefinition,
} from "@kubernetes/client-node";
import { startStore } from "@raft2kube/store/main.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../../testing/apiserver/test-apiserver.ts";
import { testFolder } from "../../../../testing/folders.ts";
import { waitFor } from "../../../../testing/wait.ts";

const here = import.meta.dirname;
const PEERS = join(here, "../../../../.peers");
const PYTHON = join(PEERS, "python/bin/python");
const JAVA = join(PEERS, "java-client");
/** Loading a client alone takes tens of seconds where everything else runs as well. */
const TIMEOUT_MS = 300_000;

/** Clients' informers by their language; Go's is that of `test/e2e/operator.test.ts`. */
const INFORMERS = {
  TypeScript: { command: [process.execPath, join(here, "informer-program.ts")], needs: here },
  Python: { command: [PYTHON, join(here, "informer.py")], needs: PYTHON },
  Java: { command: ["java", "-cp", `${JAVA}/*`, join(here, "Informer.java")], needs: JAVA },
};

const place = { group: "test.r2k.local", version: "v1", namespace: "default", plural: "notes" };
const NOTES: V1CustomResourceDefinition = {
  metadata: { name: "notes.test.r2k.local" },
  spec: {
    group: place.group,
    scope: "Namespaced",
    names: { kind: "Note", plural: "notes" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { n: { type: "integer" } } } },
          },
        },
      },
    ],
  },
};

let dir: string;
let store: Awaited<ReturnType<typeof startStore>>;
let api: TestApiserver;
let file: string;
let custom: CustomObjectsApi;

beforeEach(async () => {
  dir = testFolder("r2k-informers-");
  const listenClient = { path: join(dir, "s.sock") };
  store = await startStore({ dataDir: join(dir, "store"), listenClient });
  api = await startTestApiserver(store.client);
  file = await api.kubeconfigFor("admin", ["system:masters"]);
  const config = new KubeConfig();
  config.loadFromFile(file);
  custom = config.makeApiClient(CustomObjectsApi);
  await config.makeApiClient(ApiextensionsV1Api).createCustomResourceDefinition({ body: NOTES });
  await until("the kind to be served", async () => {
    return custom.listNamespacedCustomObject(place).then(
      () => true,
      () => false,
    );
  });
});

afterEach(async () => {
  await api.close();
  await store.close();
});

const until = (what: string, holds: () => boolean | Promise<boolean>) =>
  waitFor(what, holds, { timeout_ms: TIMEOUT_MS / 2 });

const note = (name: string, n: number, resourceVersion?: string) => ({
  apiVersion: `${place.group}/v1`,
  kind: "Note",
  metadata: { name, resourceVersion },
  spec: { n },
});

for (const [language, { command, needs }] of Object.entries(INFORMERS)) {
  describe.skipIf(!existsSync(needs))(`the informer of ${language}'s client`, () => {
    it("sees each change of a custom kind in order, also behind a restart", async () => {
      await custom.createNamespacedCustomObject({ ...place, body: note("before", 0) });
      const child = spawn(command[0]!, [...command.slice(1), file]);
      let [said, errors] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
      const lines = () => said.trim().split("\n");
      const seen = (line: string) =>
        until(line, () => {
          if (child.exitCode !== null) throw new Error(`it ended: ${errors}`);
          return lines().includes(line);
        });
      await seen("add before 0");
      const made = (await custom.createNamespacedCustomObject({
        ...place,
        body: note("a", 1),
      })) as { metadata: { resourceVersion: string } };
      const body = note("a", 2, made.metadata.resourceVersion);
      await custom.replaceNamespacedCustomObject({ ...place, name: "a", body });
      await custom.deleteNamespacedCustomObject({ ...place, name: "before" });
      await seen("delete before 0");
      expect(lines()).toEqual(["add before 0", "add a 1", "change a 2", "delete before 0"]);
      await api.restart();
      await until("the server to answer", async () => {
        const asked = custom.createNamespacedCustomObject({ ...place, body: note("b", 3) });
        return asked.then(
          () => true,
          () => false,
        );
      });
      await seen("add b 3");
      // Python's says again what it has seen since its list, when its watch broke.
      expect(lines().filter((line) => line.endsWith(" b 3"))).toEqual(["add b 3"]);
      child.stdin.end();
      await once(child, "exit");
    });
  });
}
