import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { KubeRequest, KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { claim } from "./claim.ts";
import { byController, CONTROLLER_INDEX } from "./indexes.ts";

const TYPE = { apiVersion: "apps/v1", kind: "ReplicaSet" };

const ownerOf = (name: string, namespace = "shop"): KubeObject => ({
  metadata: { name, namespace, uid: `uid-${name}` },
});
const [web, db] = [ownerOf("web"), ownerOf("db")];

let revision = 0;
const podOf = (name: string, app: string, owner?: KubeObject, namespace = "shop"): KubeObject => ({
  metadata: {
    name,
    namespace,
    uid: `uid-${name}`,
    resourceVersion: String(++revision),
    labels: { app },
    ...(owner && { ownerReferences: [controllerReference(owner, TYPE)] }),
  },
});

interface Patch {
  metadata: { ownerReferences: (Partial<OwnerReference> & { $patch?: string })[] };
}

/** Pods in an informer's copy, and a server that has their patches. */
function cluster(...pods: KubeObject[]) {
  const copy = new InformerCopy<KubeObject>();
  copy.index(CONTROLLER_INDEX, byController);
  copy.replace(pods);
  const [patched, asked]: [string[], string[]] = [[], []];
  const request = async ({ path, body }: KubeRequest) => {
    const { $patch, uid } = (body as Patch).metadata.ownerReferences[0] ?? {};
    patched.push(`${$patch ?? "adopt"} ${path.split("/").at(-1) ?? ""} ${uid ?? ""}`);
    return {};
  };
  const store = {
    by: (index: string, value: string) => {
      asked.push(value);
      return copy.store.by(index, value);
    },
  };
  const claimed = async (controller: KubeObject, fresh = controller) => {
    const own = await claim({
      controller,
      type: TYPE,
      store,
      matches: ({ metadata }) => metadata.labels?.app === controller.metadata.name,
      fresh: async () => fresh,
      dependents: new ResourceClient({ request } as unknown as KubeRequester, PODS),
    });
    return own.map(({ metadata }) => metadata.name).join();
  };
  return { copy, claimed, patched, asked };
}

test("a claim reads the controller's own objects and the orphans of its namespace alone", async () => {
  const { claimed, patched, asked } = cluster(
    podOf("own", "web", web),
    podOf("other", "web", db),
    podOf("abroad", "web", web, "elsewhere"),
    podOf("lost-abroad", "web", undefined, "elsewhere"),
  );
  expect(await claimed(web)).toBe("own");
  expect(asked).toEqual(["shop/uid-web", "shop/"]);
  expect(patched).toEqual([]);
});

test("an orphan that matches is adopted, unless the controller is being deleted or replaced", async () => {
  const { claimed, patched } = cluster(podOf("own", "web", web), podOf("lost", "web"));
  const leaving = { metadata: { ...web.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  expect(await claimed(leaving)).toBe("own");
  expect(await claimed(web, leaving)).toBe("own");
  expect(await claimed(web, { metadata: { ...web.metadata, uid: "another" } })).toBe("own");
  expect(patched).toEqual([]);
  expect(await claimed(web)).toBe("own,lost");
  expect(patched).toEqual(["adopt lost uid-web"]);
});

test("an object whose labels no longer match is released, and is then an orphan", async () => {
  const { copy, claimed, patched } = cluster(podOf("a", "web", web));
  copy.apply({ type: "MODIFIED", object: podOf("a", "db", web) });
  expect(await claimed(web)).toBe("");
  expect(patched.splice(0)).toEqual(["delete a uid-web"]);
  copy.apply({ type: "MODIFIED", object: podOf("a", "db") });
  expect(await claimed(web)).toBe("");
  expect(await claimed(db)).toBe("a");
  expect(patched).toEqual(["adopt a uid-db"]);
});

test("an object is claimed by the controller that it has now, and by none once it is gone", async () => {
  const { copy, claimed, patched } = cluster(podOf("a", "web", web));
  copy.apply({ type: "MODIFIED", object: podOf("a", "db", db) });
  expect([await claimed(web), await claimed(db)]).toEqual(["", "a"]);
  copy.apply({ type: "DELETED", object: podOf("a", "db", db) });
  expect([await claimed(web), await claimed(db)]).toEqual(["", ""]);
  copy.replace([podOf("b", "web", web)]);
  copy.replace([]);
  expect(await claimed(web)).toBe("");
  expect(patched).toEqual([]);
});
