import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { SCALABLE_KINDS_MS } from "./limits.ts";
import { ScalableKinds } from "./scalable-kinds.ts";

/** Kinds over a server that offers `Pan` in one version, in the whole cluster. */
function start() {
  const clock = new ManualClock();
  const server = { version: "v1", asked: 0, fails: false };
  const request = async ({ path }: { path: string }) => {
    server.asked++;
    if (server.fails) throw new CodedError("Refused", "no answer");
    if (path === "/api") return {};
    const resource = {
      resource: "pans",
      scope: "Cluster",
      verbs: ["get"],
      responseKind: { kind: "Pan" },
    };
    return {
      items: [
        {
          metadata: { name: "cook.io" },
          versions: [{ version: server.version, resources: [resource] }],
        },
      ],
    };
  };
  const kinds = new ScalableKinds({ clock, request } as unknown as KubeClient);
  return { clock, server, find: (kind: string) => kinds.find("cook.io", kind) };
}

test("a kind is addressed in a namespace, whatever its scope", async () => {
  expect(await start().find("Pan")).toMatchObject({ plural: "pans", namespaced: true });
});

test("unknown kinds lead to one discovery in a while, and versions are not kept for longer", async () => {
  const { clock, server, find } = start();
  const unknown = await Promise.all(["A", "B", "C"].map(find));
  expect(unknown).toEqual([undefined, undefined, undefined]);
  expect((await find("Pan"))?.version).toBe("v1");
  expect(server.asked).toBe(2);
  server.version = "v2";
  clock.advance(SCALABLE_KINDS_MS);
  expect((await find("Pan"))?.version).toBe("v2");
  expect(server.asked).toBe(4);
});

test("a discovery that failed is not kept", async () => {
  const { server, find } = start();
  server.fails = true;
  await expect(find("Pan")).rejects.toMatchObject({ code: "Refused" });
  server.fails = false;
  expect((await find("Pan"))?.plural).toBe("pans");
});
