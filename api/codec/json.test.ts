import { describe, expect, it } from "vitest";
import { decodeJson } from "./json.ts";

function pod(spec: object): object {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec };
}

describe("decodeJson", () => {
  it("reports fields that the kind does not have, by path, and drops them", () => {
    const { object, unknownFields } = decodeJson<{ spec: { containers: object[] } }>(
      "core/v1.Pod",
      pod({ containers: [{ name: "a", imagee: "x" }], nope: 1 }),
    );
    expect(unknownFields).toEqual(["spec.containers[0].imagee", "spec.nope"]);
    expect(object.spec.containers[0]).toEqual({ name: "a", resources: {} });
  });

  it("drops unreported what stands in a schema for items or further properties", () => {
    const strange = { type: "string", readOnly: true };
    const properties = { a: strange, b: { items: strange, additionalProperties: strange } };
    const versions = [{ name: "v1", schema: { openAPIV3Schema: { properties } } }];
    const value = { metadata: { name: "a.b" }, spec: { versions } };
    const definition = "apiextensions/v1.CustomResourceDefinition";
    const { object, unknownFields } = decodeJson(definition, value);
    expect(unknownFields).toEqual([
      "spec.versions[0].schema.openAPIV3Schema.properties.a.readOnly",
    ]);
    expect(JSON.stringify(object)).not.toContain("readOnly");
  });

  it("opens inlined structures", () => {
    const { object, unknownFields } = decodeJson(
      "core/v1.Pod",
      pod({ containers: [], volumes: [{ name: "v", configMap: { name: "c" } }] }),
    );
    expect(unknownFields).toEqual([]);
    expect(object).toMatchObject({ spec: { volumes: [{ name: "v", configMap: { name: "c" } }] } });
  });

  it("writes what Go writes for what is absent", () => {
    const { object } = decodeJson("apps/v1.Deployment", {
      metadata: { name: "d", labels: {}, creationTimestamp: null },
      spec: { replicas: 0, selector: null, paused: false, template: { spec: {} } },
    });
    expect(object).toEqual({
      metadata: { name: "d" },
      spec: { replicas: 0, strategy: {}, template: { metadata: {}, spec: { containers: [] } } },
      status: {},
    });
  });

  it("makes quantities, times and durations canonical", () => {
    const { object } = decodeJson(
      "core/v1.Pod",
      pod({ containers: [{ name: "a", resources: { requests: { cpu: 0.5, memory: "1024Mi" } } }] }),
    );
    expect(object).toMatchObject({
      spec: { containers: [{ resources: { requests: { cpu: "500m", memory: "1Gi" } } }] },
    });
  });

  it("takes a null in a map for the zero value", () => {
    const decoded = (schema: string, value: object) => decodeJson(schema, value).object;
    const quantities = decoded("core/v1.ResourceRequirements", { limits: { cpu: null } });
    expect(quantities).toEqual({ limits: { cpu: "0" } });
    expect(decoded("core/v1.Secret", { data: { a: null } })).toMatchObject({ data: { a: "" } });
  });

  it("takes a quantity past 2^53", () => {
    const { object } = decodeJson("core/v1.ResourceRequirements", {
      limits: { memory: 9223372036854775807n },
    });
    expect(object).toEqual({ limits: { memory: "9223372036854775807" } });
  });

  it.each([
    [
      { containers: {} },
      "cannot unmarshal object into Go struct field " +
        "PodSpec.spec.containers of type []v1.Container",
    ],
    [
      { hostNetwork: "yes" },
      "cannot unmarshal string into Go struct field " + "PodSpec.spec.hostNetwork of type bool",
    ],
    [
      { containers: [{ name: "a", ports: [{ containerPort: 1.5 }] }] },
      "cannot unmarshal number 1.5 into Go struct field " +
        "ContainerPort.spec.containers.ports.containerPort of type int32",
    ],
    [
      { priority: 2 ** 31 },
      "cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32",
    ],
    [
      { containers: [{ name: "a", resources: { limits: { cpu: "x" } } }] },
      "quantities must match the regular expression",
    ],
  ])("refuses %j as Go does", (spec, message) => {
    expect(() => decodeJson("core/v1.Pod", pod(spec))).toThrow(message);
  });

  it("refuses bodies that nest without end", () => {
    let schema: object = {};
    for (let depth = 0; depth < 1000; depth++) schema = { not: schema };
    expect(() => decodeJson("apiextensions/v1.JSONSchemaProps", schema)).toThrow(
      "exceeded max depth",
    );
  });

  it("keeps empty structures that mean something", () => {
    const { object } = decodeJson("networking/v1.NetworkPolicy", {
      metadata: {},
      spec: { podSelector: {}, ingress: [{}] },
    });
    expect(object).toMatchObject({ spec: { podSelector: {}, ingress: [{}] } });
    const volume = decodeJson("core/v1.Volume", { name: "e", emptyDir: {} });
    expect(volume.object).toEqual({ name: "e", emptyDir: {} });
  });
});
