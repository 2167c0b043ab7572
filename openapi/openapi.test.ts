import { KINDS } from "@raft2kube/api/kinds.ts";
import { describe, expect, it } from "vitest";
import { type Document, documentsOf, plainOf } from "./documents.ts";
import { type Path, pathsOf } from "./operations.ts";

const all = documentsOf(KINDS);

interface Anything {
  [key: string]: Anything;
}

async function parsed(document: Promise<Document>): Promise<Anything> {
  return JSON.parse(plainOf(await document).toString("utf8")) as Anything;
}

/** Every `$ref` in a document. */
function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === "$ref" && typeof each === "string" ? [each] : references(each),
  );
}

/** Structures and fields that `kubectl explain` would show without a word. */
function silent(structures: Anything): string[] {
  return Object.entries(structures).flatMap(([name, structure]) => [
    ...(structure.description === undefined ? [name] : []),
    ...Object.entries(structure.properties ?? {})
      .filter(([, field]) => field.description === undefined)
      .map(([field]) => `${name}.${field}`),
  ]);
}

describe("version 2", async () => {
  const document = await parsed(all.v2());

  it("defines all that it refers to", () => {
    const names = new Set(references(document).map((each) => each.replace("#/definitions/", "")));
    expect([...names].filter((each) => document.definitions![each] === undefined)).toEqual([]);
    expect(names.size).toBeGreaterThan(500);
  });

  it("describes every structure and every field", () => {
    expect(silent(document.definitions!)).toEqual([]);
    const fields = Object.values(document.definitions!).flatMap(({ properties }) =>
      Object.keys(properties ?? {}),
    );
    expect(fields.length).toBeGreaterThan(2400);
  });

  it("describes how lists are merged", () => {
    const spec = document.definitions!["io.k8s.api.core.v1.PodSpec"]!.properties!;
    expect(spec.containers).toMatchObject({
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      "x-kubernetes-patch-merge-key": "name",
      "x-kubernetes-patch-strategy": "merge",
    });
    expect(spec.volumes!["x-kubernetes-patch-strategy"]).toBe("merge,retainKeys");
    expect(
      document.definitions!["io.k8s.api.core.v1.Pod"]!["x-kubernetes-group-version-kind"],
    ).toEqual([{ group: "", kind: "Pod", version: "v1" }]);
  });

  it("offers dryRun and fieldValidation on every patch of a kind", () => {
    for (const kind of KINDS.filter((each) => each.verbs.includes("patch"))) {
      const patches = Object.values(document.paths!)
        .map((each) => each.patch)
        .filter(
          (each) =>
            each !== undefined &&
            (each["x-kubernetes-group-version-kind"]!.kind as unknown) === kind.kind,
        );
      expect(patches.length, kind.schema).toBeGreaterThan(0);
      for (const patch of patches) {
        const names = (patch!.parameters as unknown as { name: string }[]).map((each) => each.name);
        expect(names).toEqual(expect.arrayContaining(["dryRun", "fieldValidation"]));
      }
    }
  });

  it("names operations as upstream does, by whose names clients are generated", () => {
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const named = [
      document.paths!["/api/v1/namespaces/{namespace}/pods"]!.delete,
      document.paths!["/api/v1/namespaces/{namespace}/pods/{name}/status"]!.get,
      document.paths![`${rbac}/rolebindings`]!.get,
      document.paths![`${rbac}/clusterroles`]!.post,
    ].map((each) => [each!.operationId, ...(each!.tags as unknown as string[])].join(" "));
    expect(named).toEqual([
      "deleteCoreV1CollectionNamespacedPod core_v1",
      "readCoreV1NamespacedPodStatus core_v1",
      "listRbacAuthorizationV1RoleBindingForAllNamespaces rbacAuthorization_v1",
      "createRbacAuthorizationV1ClusterRole rbacAuthorization_v1",
    ]);
    const base = KINDS.find(({ plural }) => plural === "configmaps")!;
    const [{ operations }] = pathsOf({ ...base, group: "cert-manager.io" }) as [Path];
    expect(operations.map(({ id }) => id)).toContain("listCertManagerIoV1NamespacedConfigMap");
  });

  it("is written as protobuf of about the same size", async () => {
    const bytes = plainOf(await all.v2Protobuf());
    expect(bytes.subarray(0, 5).toString("latin1")).toBe("\n\u00032.0");
    expect(bytes.includes("io.k8s.api.apps.v1.DeploymentSpec")).toBe(true);
  });
});

describe("version 3", () => {
  it("has a document for each group and version", () => {
    expect(all.v3Paths()).toEqual(expect.arrayContaining(["api/v1", "apis/apps/v1"]));
    expect(all.v3("apis/nothing/v1")).toBeUndefined();
  });

  it.each(all.v3Paths())("%s defines and describes all that it refers to", async (path) => {
    const document = await parsed(all.v3(path)!);
    const schemas = document.components!.schemas!;
    const names = new Set(
      references(document).map((each) => each.replace("#/components/schemas/", "")),
    );
    expect([...names].filter((each) => schemas[each] === undefined)).toEqual([]);
    expect(silent(schemas)).toEqual([]);
  });

  it("keeps a document and its hash", async () => {
    expect(all.v3("apis/apps/v1")).toBe(all.v3("apis/apps/v1"));
    expect((await all.v3("apis/apps/v1")!).hash).toMatch(/^[0-9A-F]{128}$/);
  });
});

describe("what is switched off", async () => {
  const without = documentsOf(
    KINDS.filter(({ group, kind }) => group !== "batch" && kind !== "DaemonSet"),
  );
  const [whole, less] = [await parsed(all.v2()), await parsed(without.v2())];

  it("is in no path and no definition of version 2, and all else is there", () => {
    const gone = Object.keys(whole.paths!).filter((path) => less.paths![path] === undefined);
    expect(gone.length).toBeGreaterThan(10);
    expect(gone.filter((path) => !/\/batch\/v1\/|\/daemonsets/.test(path))).toEqual([]);
    const names = Object.keys(less.definitions!);
    expect(names.filter((name) => /\.batch\.|DaemonSet/.test(name))).toEqual([]);
    expect(names).toContain("io.k8s.api.apps.v1.DeploymentSpec");
  });

  it("is not in version 3 either", async () => {
    expect(all.v3Paths().filter((path) => !without.v3Paths().includes(path))).toEqual([
      "apis/batch/v1",
    ]);
    expect(without.v3("apis/batch/v1")).toBeUndefined();
    const apps = await parsed(without.v3("apis/apps/v1")!);
    expect(JSON.stringify(apps)).not.toMatch(/daemonsets/i);
  });

  it("is not in the protobuf", async () => {
    const bytes = plainOf(await without.v2Protobuf());
    expect(bytes.includes("io.k8s.api.apps.v1.DeploymentSpec")).toBe(true);
    expect(bytes.includes("io.k8s.api.batch.v1")).toBe(false);
  });
});
