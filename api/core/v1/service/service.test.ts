import { describe, expect, it } from "vitest";
import { decodeJson } from "../../../codec/json.ts";
import { messageOfField } from "../../../errors.ts";
import type { Service } from "../../../gen/core/v1.ts";
import { SERVICE_SELECTOR_MAX } from "../../../limits.ts";
import { service } from "./service.ts";

const CONTEXT = { now_ms: 0 };

function made(spec: object): Service {
  const { object } = decodeJson<Service>("core/v1.Service", {
    metadata: { name: "web", namespace: "default", resourceVersion: "1" },
    spec,
  });
  service.strategy.defaults(object);
  service.strategy.prepareCreate(object, CONTEXT);
  return object;
}

function complaints(spec: object): string {
  return service.strategy.validateCreate(made(spec), CONTEXT).map(messageOfField).join("\n");
}

const ports = [{ port: 80 }];

describe("a Service", () => {
  it("is filled", () => {
    expect(made({ selector: { app: "web" }, ports }).spec).toEqual({
      selector: { app: "web" },
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
      type: "ClusterIP",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
    });
    expect(complaints({ ports })).toBe("");
  });

  it("without an address has no policy for traffic to it", () => {
    const external = { type: "ExternalName", externalName: "a.b", internalTrafficPolicy: "Local" };
    expect(made(external).spec).not.toHaveProperty("internalTrafficPolicy");
  });

  it.each([
    [{}, "spec.ports: Required value"],
    [{ ports: [{ port: 80 }, { port: 81 }] }, "spec.ports[0].name: Required value"],
    [
      { ports: [{ port: 0 }] },
      "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
    ],
    [
      { ports, type: "Cluster" },
      'spec.type: Unsupported value: "Cluster": supported values: ' +
        '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
    [
      { ports, type: "NodePort", clusterIP: "None" },
      "may not be set to 'None' for NodePort services",
    ],
    [{ type: "ExternalName" }, "spec.externalName: Required value"],
    [
      { ports, clusterIP: "10.0.0.256" },
      'spec.clusterIPs[0]: Invalid value: "10.0.0.256": ' + "must be a valid IP address",
    ],
    [
      { ports: [{ port: 80, nodePort: 30000 }] },
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
  ])("with %j is refused", (spec, message) => {
    expect(complaints(spec)).toContain(message);
  });

  function updated(before: object, after: object): { object: Service; errors: string } {
    const old = { ...made(before) };
    const body = { metadata: old.metadata, spec: after };
    const { object } = decodeJson<Service>("core/v1.Service", body);
    service.strategy.defaults(object);
    service.strategy.prepareUpdate(object, old, CONTEXT);
    const errors = service.strategy.validateUpdate(object, old, CONTEXT);
    return { object, errors: errors.map(messageOfField).join("\n") };
  }

  it("keeps its address and node ports when an update names none", () => {
    const before = {
      ports: [{ port: 80, nodePort: 30080 }],
      type: "NodePort",
      clusterIP: "10.96.0.9",
    };
    const { object, errors } = updated(before, { ports, type: "NodePort" });
    expect(errors).toBe("");
    expect(object.spec).toMatchObject({
      clusterIP: "10.96.0.9",
      clusterIPs: ["10.96.0.9"],
      ports: [{ nodePort: 30080 }],
    });
  });

  it("keeps the port of its health checks when an update names none, and may not change it", () => {
    const local = { ports, type: "LoadBalancer", externalTrafficPolicy: "Local" };
    const before = { ...local, healthCheckNodePort: 30_100 };
    for (const after of [local, { ...local, healthCheckNodePort: 0 }]) {
      const { object, errors } = updated(before, after);
      expect(errors).toBe("");
      expect(object.spec.healthCheckNodePort).toBe(30_100);
    }
    expect(updated(before, { ...local, healthCheckNodePort: 30_101 }).errors).toBe(
      "spec.healthCheckNodePort: Forbidden: field is immutable",
    );
  });

  it("may go on with a bad address that it has, wherever in the list, and get no other", () => {
    const bad = (...externalIPs: string[]) => ({ ports, externalIPs });
    const before = bad("1.1.1.1", "010.1.2.3");
    expect(updated(before, bad("010.1.2.3")).errors).toBe("");
    expect(updated(before, bad("010.1.2.3", "010.1.2.4")).errors).toContain("010.1.2.4");
    expect(updated(before, bad("010.1.2.3", "010.1.2.3")).errors).toContain("010.1.2.3");
  });

  it("may not change its address", () => {
    const after = { ports, clusterIP: "10.96.0.8", clusterIPs: ["10.96.0.9"] };
    expect(updated({ ports, clusterIP: "10.96.0.9" }, after).errors).toContain(
      'spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set',
    );
  });

  it("gives up what only its old type had", () => {
    const { object, errors } = updated(
      { ports: [{ port: 80, nodePort: 30080 }], type: "NodePort", clusterIP: "10.96.0.9" },
      { ports: [{ port: 80, nodePort: 30080 }], externalTrafficPolicy: "Cluster" },
    );
    expect(errors).toBe("");
    expect(object.spec.ports?.[0]?.nodePort).toBeUndefined();
    expect(object.spec.externalTrafficPolicy).toBeUndefined();
  });

  it("shows its ports and addresses", () => {
    const object = made({
      ports: [{ port: 80, nodePort: 30080 }],
      type: "NodePort",
      clusterIP: "10.96.0.9",
      selector: { b: "2", a: "1" },
    });
    expect(service.columns.map((each) => each.value(object, 0))).toEqual([
      "web",
      "NodePort",
      "10.96.0.9",
      "<none>",
      "80:30080/TCP",
      "<unknown>",
      "a=1,b=2",
    ]);
  });
});

it("the labels of a Service's selector are bounded", () => {
  const selector = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, "v"]));
  expect(complaints({ ports, selector: selector(SERVICE_SELECTOR_MAX) })).toBe("");
  expect(complaints({ ports, selector: selector(SERVICE_SELECTOR_MAX + 1) })).toBe(
    "spec.selector: Too many: 101: must have at most 100 items",
  );
});
