import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { expect, test } from "vitest";
import { watchEndpoints } from "./endpoint-pods.ts";
import { byNamespace, NAMESPACE_INDEX } from "./indexes.ts";
import { CHANGES_COMPARED_MAX } from "./limits.ts";
import { Selecting } from "./selecting.ts";
import { watchDependents } from "./watch-dependents.ts";

interface Owner {
  metadata: { namespace: string; name: string };
  /** How long a comparison takes; NaN if it fails. */
  busy_ms?: number;
}
type Changed = { metadata: { namespace: string; name: string; labels?: Record<string, string> } };

const owner = (namespace: string, name: string, busy_ms = 0): Owner => {
  return { metadata: { namespace, name }, busy_ms };
};
const changed = (namespace: string, name: string): Changed => ({ metadata: { namespace, name } });

function selectingOf(...all: Owner[]) {
  const owners = new InformerCopy<Owner>();
  owners.index(NAMESPACE_INDEX, byNamespace);
  owners.replace(all);
  const found: string[] = [];
  const compared: string[] = [];
  let comparisons = 0;
  const selecting = new Selecting<Owner, Changed>({
    owners,
    selects({ busy_ms = 0 }) {
      comparisons++;
      if (Number.isNaN(busy_ms)) throw new RangeError("no such operator");
      const until_ms = performance.now() + busy_ms;
      while (performance.now() < until_ms);
      return true;
    },
    found: (key) => found.push(key),
    compared: ({ metadata }, keys) => compared.push(`${metadata.name}: ${keys.join()}`),
  });
  return { selecting, found, compared, comparisons: () => comparisons };
}

test("selectors are compared after the turn of a change, and namespaces take turns", async () => {
  const slow = Array.from({ length: 20 }, (_, at) => owner("a", `${at}`, 11));
  const { selecting, found, comparisons } = selectingOf(...slow, owner("b", "c"));
  selecting.changed(changed("a", "x"));
  selecting.changed(changed("b", "y"));
  expect(comparisons()).toBe(0);
  await expect.poll(() => found).toHaveLength(21);
  expect(found.indexOf("b/c")).toBeLessThan(5);
});

test("a change during a comparison is compared after it; of too many, all are looked at", async () => {
  const { selecting, found, compared, comparisons } = selectingOf(owner("a", "s"));
  selecting.changed(changed("a", "first"));
  for (let at = 1; at <= CHANGES_COMPARED_MAX + 5; at++) selecting.changed(changed("a", `${at}`));
  await expect.poll(() => found).toEqual(["a/s"]);
  expect(comparisons()).toBe(0);
  selecting.changed(changed("a", "last"));
  await expect.poll(() => compared).toEqual(["last: a/s"]);
  expect(found).toEqual(["a/s", "a/s"]);
});

test("an object that cannot be compared is looked at, and others are compared", async () => {
  const { selecting, found, compared } = selectingOf(owner("a", "broken", NaN), owner("a", "s"));
  selecting.changed(changed("a", "x"));
  await expect.poll(() => compared).toEqual(["x: a/s"]);
  expect(found).toEqual(["a/broken", "a/s"]);
});

test("no selector is compared with a pod or its labels in the turn of their change", async () => {
  const [pods, services] = [new InformerCopy<Pod>(), new InformerCopy<Service>()];
  const pod = (revision: string): Pod => {
    const metadata = { namespace: "n", name: "p", uid: "u", resourceVersion: revision };
    const spec = { containers: [] };
    return { metadata: { ...metadata, labels: { app: "a", version: revision } }, spec };
  };
  const looks: string[] = [];
  const look = (key: string) => void looks.push(key);
  const informers = {
    services: services as unknown as Informer<Service>,
    pods: pods as unknown as Informer<Pod>,
  };
  const nodes = new InformerCopy<Node>() as unknown as Informer<Node>;
  watchEndpoints(informers.services, informers.pods, nodes, look);
  watchDependents<Service, Pod>({
    dependents: informers.pods,
    owners: informers.services,
    kind: "Service",
    selector: ({ spec }) => ({ matchLabels: spec?.selector ?? {} }),
    look,
  });
  services.replace([{ metadata: { namespace: "n", name: "s" }, spec: { selector: { app: "a" } } }]);
  looks.length = 0;
  for (const revision of ["1", "2"]) {
    pods.replace([pod(revision)]);
    expect(looks).toEqual([]);
    await expect.poll(() => looks).toEqual(["n/s", "n/s"]);
    looks.length = 0;
  }
});
