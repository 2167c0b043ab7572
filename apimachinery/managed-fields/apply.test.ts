import type { KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { structOf } from "@raft2kube/api/schema.ts";
import { describe, expect, it } from "vitest";
import { decodeDocument } from "../decode/decode.ts";
import type { JsonObject } from "../json/json.ts";
import { applyTo } from "./apply.ts";
import { FieldSet, pathText } from "./field-set.ts";
import { readApply } from "./read-apply.ts";
import { trackUpdate } from "./track.ts";
import { trackedOf } from "./tracked.ts";

const kind = kindOf("apps", "v1", "Deployment")!;
const tracked = trackedOf(kind, "");

interface Deployment extends KubeObject {
  spec: {
    replicas?: number;
    template: { spec: { containers: { name: string; image?: string; ports?: object[] }[] } };
  };
}

function decoded(value: object): Deployment {
  return decodeDocument<Deployment>(
    { value, duplicates: [] },
    { kind, schema: kind.schema, fieldValidation: "Strict", warnings: [] },
  );
}

function apply(
  current: Deployment | undefined,
  manager: string,
  wanted: object,
  force = false,
): Deployment {
  const writer = { manager, operation: "Apply", subresource: "", now_ms: 0 } as const;
  const application = { writer, wanted: structuredClone(wanted) as JsonObject, force };
  return decoded(applyTo(tracked, current, application));
}

function update(old: Deployment, manager: string, edit: (object: Deployment) => void): Deployment {
  const object = structuredClone(old);
  edit(object);
  trackUpdate(tracked, object, old, { manager, operation: "Update", subresource: "", now_ms: 0 });
  return object;
}

function web(spec: object, containers: object[] = [{ name: "web", image: "web:1" }]): object {
  return { metadata: { name: "web" }, spec: { ...spec, template: { spec: { containers } } } };
}

function ownersOf(object: Deployment): Record<string, string[]> {
  return Object.fromEntries(
    (object.metadata.managedFields ?? []).map((entry) => {
      const paths = [...FieldSet.fromJson(entry.fieldsV1).paths()];
      return [entry.manager!, paths.map(pathText).sort()];
    }),
  );
}

describe("server-side apply", () => {
  it("its manager owns what it names, and nothing that is filled in", () => {
    const object = apply(undefined, "me", web({ replicas: 2 }));
    expect(ownersOf(object)).toEqual({
      me: [
        ".spec.replicas",
        '.spec.template.spec.containers[name="web"]',
        '.spec.template.spec.containers[name="web"].image',
        '.spec.template.spec.containers[name="web"].name',
      ],
    });
  });

  it("a field that its manager no longer applies is removed if it has no other owner", () => {
    const first = apply(undefined, "me", web({ replicas: 2, paused: true }));
    const second = apply(first, "me", web({ replicas: 2 }));
    expect(second.spec).not.toHaveProperty("paused");
    expect(ownersOf(second)["me"]).not.toContain(".spec.paused");
  });

  it("a structure that its manager no longer applies goes with what was filled in", () => {
    const [name, image, probe] = ["web", "i", { httpGet: { port: 80 } }];
    const first = apply(undefined, "me", web({}, [{ name, image, livenessProbe: probe }]));
    const filled = structuredClone(first);
    Object.assign(filled.spec.template.spec.containers[0]!, {
      livenessProbe: { ...probe, periodSeconds: 10 },
    });
    const second = apply(filled, "me", web({}, [{ name, image }]));
    expect(second.spec.template.spec.containers[0]).not.toHaveProperty("livenessProbe");
  });

  it("an item that its manager no longer applies goes with fields that another set in it", () => {
    const [a, b] = ["a", "b"].map((name) => ({ name, image: "i" }));
    const first = apply(undefined, "me", web({}, [a!, b!]));
    const changed = update(first, "setter", ({ spec }) => {
      spec.template.spec.containers[1]!.image = "j";
    });
    expect(apply(changed, "me", web({}, [a!])).spec.template.spec.containers).toHaveLength(1);
  });

  it("another's value is a conflict that names the field, unless it is forced", () => {
    const first = apply(undefined, "me", web({ replicas: 2 }));
    const scaled = update(first, "scaler", (object) => (object.spec.replicas = 5));
    expect(ownersOf(scaled)["scaler"]).toEqual([".spec.replicas"]);
    expect(ownersOf(scaled)["me"]).not.toContain(".spec.replicas");
    expect(() => apply(scaled, "me", web({ replicas: 2 }))).toThrow(
      `Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas`,
    );
    const forced = apply(scaled, "me", web({ replicas: 2 }), true);
    expect(forced.spec.replicas).toBe(2);
    expect(ownersOf(forced)).not.toHaveProperty("scaler");
  });

  it("the same value is owned together, and goes with its last owner", () => {
    const first = apply(undefined, "a", web({ replicas: 2, paused: true }));
    const both = apply(first, "b", web({ paused: true }));
    const left = apply(both, "a", web({ replicas: 2 }));
    expect(left.spec).toHaveProperty("paused", true);
    expect(apply(left, "b", web({})).spec).not.toHaveProperty("paused");
  });

  it("lists with keys are merged item by item", () => {
    const a = apply(undefined, "a", web({}, [{ name: "a", image: "a:1" }]));
    const both = apply(a, "b", web({}, [{ name: "b", image: "b:1" }]));
    expect(both.spec.template.spec.containers.map(({ name }) => name)).toEqual(["a", "b"]);
    const left = apply(both, "a", { metadata: { name: "web" } });
    expect(left.spec.template.spec.containers.map(({ name }) => name)).toEqual(["b"]);
  });

  it.each([
    ["a b c", "c b a", "c b a"],
    ["a x b", "b a", "x b a"],
    ["x a y b z", "b n a", "x y b z n a"],
    ["a x", "n a m", "n a x m"],
    ["a x a x", "n a", "n a x x"],
  ])("items %s, of which are applied %s, come as %s", (live, applied, expected) => {
    const named = (names: string) => names.split(" ").map((name) => ({ name, image: "i" }));
    const before = decoded({ metadata: { name: "web" }, ...web({}, named(live)) });
    const after = apply(before, "me", web({}, named(applied)), true);
    const { containers } = after.spec.template.spec;
    expect(containers.map(({ name }) => name).join(" ")).toBe(expected);
  });

  it("of an item that stands twice nothing but what is applied is kept", () => {
    const item = { name: "a", image: "i" };
    const twice = [1, 2].map((containerPort) => ({ ...item, ports: [{ containerPort }] }));
    const before = decoded({ metadata: { name: "web" }, ...web({}, twice) });
    const { containers } = apply(before, "me", web({}, [item]), true).spec.template.spec;
    expect(containers.map(({ ports }) => ports)).toEqual([undefined]);
  });

  it("an item's key left out is its default: a port's protocol", () => {
    const ports = [{ containerPort: 80 }];
    const object = apply(undefined, "me", web({}, [{ name: "web", image: "w", ports }]));
    expect(ownersOf(object)["me"]).toContain(
      `.spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]`,
    );
  });

  it("an object that was never applied belongs to before-first-apply", () => {
    const plain = decoded({ ...web({ replicas: 1 }), metadata: { name: "web" } });
    expect(() => apply(plain, "me", web({ replicas: 3 }))).toThrow(/before-first-apply/);
    const forced = apply(plain, "me", web({ replicas: 3 }), true);
    expect(Object.keys(ownersOf(forced)).sort()).toEqual(["before-first-apply", "me"]);
  });

  it("null takes nothing from others", () => {
    const labels = { a: "1" };
    const theirs = apply(undefined, "a", { metadata: { name: "web", labels }, spec: {} });
    const after = apply(theirs, "b", { metadata: { name: "web", labels: null } });
    expect(after.metadata.labels).toEqual(labels);
    expect(ownersOf(after)["a"]).toContain(".metadata.labels.a");
    const own = apply(theirs, "a", { metadata: { name: "web", labels: null }, spec: {} });
    expect(own.metadata).not.toHaveProperty("labels.a");
  });

  it("applying the same again changes nothing", () => {
    const first = apply(undefined, "me", web({ replicas: 2 }));
    expect(apply(first, "me", web({ replicas: 2 }))).toEqual(first);
  });

  it("an empty list from a client ends the tracking", () => {
    const first = apply(undefined, "me", web({ replicas: 2 }));
    const cleared = update(first, "x", (object) => (object.metadata.managedFields = [{}]));
    expect(cleared.metadata).not.toHaveProperty("managedFields");
  });

  it("what a body may not say of itself is refused", () => {
    const wanted = { metadata: { name: "web", managedFields: [] } };
    expect(() => apply(undefined, "me", wanted)).toThrow("metadata.managedFields must be nil");
  });

  it("owners in another version compare the object once together", () => {
    const object = apply(undefined, "me", web({ replicas: 2 }));
    const [own] = object.metadata.managedFields!;
    object.metadata.managedFields = ["a", "b", "c"].map((manager) => {
      return { ...own!, manager, apiVersion: "apps/v1beta1" };
    });
    let compared = 0;
    const convert = (each: KubeObject) => {
      compared++;
      return each;
    };
    const elsewhere = () => ({ schema: kind.schema, convert });
    const next = structuredClone(object);
    next.spec.replicas = 3;
    const writer = { manager: "x", operation: "Update", subresource: "", now_ms: 0 } as const;
    trackUpdate({ ...tracked, elsewhere }, next, object, writer);
    expect([compared, Object.keys(ownersOf(next))]).toEqual([2, ["a", "b", "c", "x"]]);
  });
});

it("keys that stand twice are refused or warned of, of a custom resource too, conflicts first", async () => {
  const configMap = kindOf("", "v1", "ConfigMap")!;
  const custom = { ...trackedOf(configMap, ""), schema: structOf("core/v1.ConfigMap") };
  const body = Buffer.from(
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  a: '1'\n  a: '2'\n",
  );
  const read = (fieldValidation: "Strict" | "Warn", warnings: string[], manager = "me") => {
    const writer = { manager, operation: "Apply", subresource: "", now_ms: 0 } as const;
    const asked = { writer, force: false };
    return readApply(body, configMap, custom, "c", asked, { fieldValidation, warnings });
  };
  const twice = 'line 6: key "a" already set in map';
  const strict = await read("Strict", []);
  expect(() => strict.apply(undefined)).toThrow(`error strict decoding YAML: yaml: unmarshal`);
  const warnings: string[] = [];
  const warned = (await read("Warn", warnings)).apply(undefined);
  expect(warnings).toEqual([`yaml: unmarshal errors:\n  ${twice}`]);
  const other = structuredClone(warned) as KubeObject & { data: Record<string, string> };
  other.data["a"] = "3";
  const another = await read("Strict", [], "another");
  expect(() => another.apply(other)).toThrow("conflict");
});
