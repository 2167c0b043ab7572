import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { KINDS } from "../kinds.ts";
import {
  openapiV2, openapiV2Protobuf, openapiV3, openapiV3Paths, plainOf,
} from "./documents.ts";

interface Anything {
  [key: string]: Anything;
}

async function parsed(document: ReturnType<typeof openapiV2>): Promise<Anything> {
  return JSON.parse(plainOf(await document).toString("utf8")) as Anything;
}

/** Every `$ref` in a document. */
function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === "$ref" && typeof each === "string" ? [each] : references(each));
}

describe("version 2", async () => {
  const document = await parsed(openapiV2());

  it("defines all that it refers to", () => {
    const names = new Set(references(document).map((each) => each.replace("#/definitions/", "")));
    expect([...names].filter((each) => document.definitions![each] === undefined)).toEqual([]);
    expect(names.size).toBeGreaterThan(500);
  });

  it("tells how lists are merged", () => {
    const spec = document.definitions!["io.k8s.api.core.v1.PodSpec"]!.properties!;
    expect(spec.containers).toMatchObject({
      type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
      "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge",
    });
    expect(spec.volumes!["x-kubernetes-patch-strategy"]).toBe("merge,retainKeys");
    expect(document.definitions!["io.k8s.api.core.v1.Pod"]!["x-kubernetes-group-version-kind"])
      .toEqual([{ group: "", kind: "Pod", version: "v1" }]);
  });

  it("offers dryRun and fieldValidation on every patch of a kind", () => {
    for (const kind of KINDS.filter((each) => each.verbs.includes("patch"))) {
      const patches = Object.values(document.paths!).map((each) => each.patch)
        .filter((each) => each !== undefined &&
          (each["x-kubernetes-group-version-kind"]!.kind as unknown) === kind.kind);
      expect(patches.length, kind.schema).toBeGreaterThan(0);
      for (const patch of patches) {
        const names = (patch!.parameters as unknown as { name: string }[]).map((each) => each.name);
        expect(names).toEqual(expect.arrayContaining(["dryRun", "fieldValidation"]));
      }
    }
  });

  it("is written as protobuf of about the same size", async () => {
    const bytes = plainOf(await openapiV2Protobuf());
    expect(bytes.subarray(0, 5).toString("latin1")).toBe("\n\u00032.0");
    expect(bytes.includes("io.k8s.api.apps.v1.DeploymentSpec")).toBe(true);
  });
});

describe("docs/DIVERGENCE.md", () => {
  it("counts the fields that explain shows without a description", async () => {
    const { definitions = {} } = await parsed(openapiV2());
    const fields = Object.values(definitions).flatMap((each) =>
      Object.values(each.properties ?? {}));
    const silent = fields.filter((each) => each.description === undefined).length;
    const page = readFileSync(join(import.meta.dirname, "../../docs/DIVERGENCE.md"), "utf8");
    expect(page).toContain(`${silent} of ${fields.length} fields have no description`);
  });
});

describe("version 3", () => {
  it("has a document for each group and version", () => {
    expect(openapiV3Paths()).toEqual(expect.arrayContaining(["api/v1", "apis/apps/v1"]));
    expect(openapiV3("apis/nothing/v1")).toBeUndefined();
  });

  it.each(openapiV3Paths())("%s defines all that it refers to", async (path) => {
    const document = await parsed(openapiV3(path)!);
    const schemas = document.components!.schemas!;
    const names = new Set(references(document)
      .map((each) => each.replace("#/components/schemas/", "")));
    expect([...names].filter((each) => schemas[each] === undefined)).toEqual([]);
  });

  it("keeps a document and its hash", async () => {
    expect(openapiV3("apis/apps/v1")).toBe(openapiV3("apis/apps/v1"));
    expect((await openapiV3("apis/apps/v1")!).hash).toMatch(/^[0-9A-F]{128}$/);
  });
});
