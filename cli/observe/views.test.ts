import { expect, test } from "vitest";
import { type BoundPod, boundPods, differencesOf, type Views } from "./views.ts";

const POD: BoundPod = {
  name: "pods default/web",
  node: "one",
  deleted: false,
  generation: 2,
  kubelet: { deleted: false, generation: 2 },
};
const objects = new Map([
  ["pods default/web", 7],
  ["services default/web", 5],
]);
const AGREE: Views = { store: { revision: 9, objects }, cache: objects, bound: [POD] };

const cachedWith = (name: string, revision: number) => {
  return differencesOf({ ...AGREE, cache: new Map([...objects, [name, revision]]) });
};

function cacheWithout(name: string): Views {
  return { ...AGREE, cache: new Map([...objects].filter(([key]) => key !== name)) };
}

test("three places that know the same do not differ", () => {
  expect(differencesOf(AGREE)).toEqual([]);
});

test("a lost ADDED, MODIFIED and DELETED each show between store and cache", () => {
  expect(differencesOf(cacheWithout("pods default/web"))).toEqual([
    "pods default/web: in the store since revision 7, not in the apiserver's cache",
  ]);
  expect(cachedWith("pods default/web", 6)).toEqual([
    "pods default/web: at revision 7 in the store, at 6 in the apiserver's cache",
  ]);
  expect(cachedWith("pods default/old", 3)).toEqual([
    "pods default/old: deleted in the store, still in the apiserver's cache",
  ]);
});

test("what the cache learns after the store was asked is no difference", () => {
  const cache = new Map([...objects, ["pods default/new", 10], ["services default/web", 11]]);
  expect(differencesOf({ ...AGREE, cache })).toEqual([]);
});

test("a pod, its deletion and its change that the kubelet has missed are named", () => {
  const seen = (pod: Partial<BoundPod>) => differencesOf({ ...AGREE, bound: [{ ...POD, ...pod }] });
  expect(seen({ kubelet: undefined })).toEqual([
    "pods default/web: bound to one, whose kubelet does not know it",
  ]);
  expect(seen({ deleted: true })).toEqual([
    "pods default/web: being deleted, which the kubelet of one does not know",
  ]);
  expect(seen({ generation: 3 })).toEqual([
    "pods default/web: at generation 3, the kubelet of one has 2",
  ]);
});

test("a kubelet that hangs is given seconds, and named", async () => {
  const client = {
    resource: () => ({ listAll: async () => ({ items: [] }) }),
    request: async ({ timeout_ms = Infinity }) => {
      throw new Error(`no answer within ${timeout_ms} ms`);
    },
  };
  expect(await boundPods(client as never, ["one", "two"])).toEqual([
    "the kubelet of one does not answer: no answer within 5000 ms",
    "the kubelet of two does not answer: no answer within 5000 ms",
  ]);
});
