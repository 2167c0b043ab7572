import type { Container, EnvVar, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { SERVICE_LINK_PORTS_MAX } from "../limits.ts";
import { type ContainerParts, containerConfig } from "./container-config.ts";
import { type EnvSources, makeEnv } from "./env.ts";
import { parseEnvFile } from "./env-file.ts";
import { serviceEnv } from "./service-env.ts";

const POD: Pod = {
  metadata: { name: "p", namespace: "n", uid: "u", labels: { app: "web" } },
  spec: { containers: [], nodeName: "node", serviceAccountName: "robot" },
};
const CONTEXT = {
  podIPs: ["10.1.0.5"],
  hostIPs: ["10.0.0.1"],
  allocatable: { cpu_milli: 2_000, memory_bytes: 2 ** 30, ephemeralStorage_bytes: 0 },
};
const SOURCES: EnvSources = {
  configMap: async (name) => (name === "cm" ? { key: "from-map", other: "2" } : undefined),
  secret: async (name) => (name === "sec" ? { key: btoa("hidden") } : undefined),
  file: (_volume, path) => (path === "f" ? parseEnvFile("key='from-file'\nwrong") : undefined),
  services: async () => new Map([["WEB_SERVICE_HOST", "10.96.0.7"]]),
};

async function env(variables: EnvVar[], more: Partial<Container> = {}) {
  const made = await makeEnv(POD, { name: "c", env: variables, ...more }, SOURCES, CONTEXT);
  return Object.fromEntries(made);
}

describe("a container's environment", () => {
  test("earlier variables and Services are expanded, later ones are not", async () => {
    const made = await env([
      { name: "A", value: "1" },
      { name: "B", value: "$(A) $(C) $(WEB_SERVICE_HOST)" },
      { name: "C", value: "3" },
    ]);
    expect(made).toMatchObject({ B: "1 $(C) 10.96.0.7", WEB_SERVICE_HOST: "10.96.0.7" });
  });

  test.each<[string, EnvVar["valueFrom"], string | undefined]>([
    ["a ConfigMap's key", { configMapKeyRef: { name: "cm", key: "key" } }, "from-map"],
    ["a Secret's key", { secretKeyRef: { name: "sec", key: "key" } }, "hidden"],
    ["a file's key", { fileKeyRef: { volumeName: "v", path: "f", key: "key" } }, "from-file"],
    [
      "an absent optional file",
      { fileKeyRef: { volumeName: "v", path: "x", key: "key", optional: true } },
      undefined,
    ],
    [
      "an absent optional key",
      { secretKeyRef: { name: "sec", key: "x", optional: true } },
      undefined,
    ],
    [
      "an absent optional map",
      { configMapKeyRef: { name: "x", key: "x", optional: true } },
      undefined,
    ],
    [
      "an absent key that every object inherits",
      { configMapKeyRef: { name: "cm", key: "constructor", optional: true } },
      undefined,
    ],
    [
      "an absent label that every object inherits",
      { fieldRef: { fieldPath: "metadata.labels['toString']" } },
      "",
    ],
    ["a label", { fieldRef: { fieldPath: "metadata.labels['app']" } }, "web"],
    ["the pod's address", { fieldRef: { fieldPath: "status.podIP" } }, "10.1.0.5"],
    ["the account", { fieldRef: { fieldPath: "spec.serviceAccountName" } }, "robot"],
    ["a limit", { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } }, "500"],
    [
      "a limit that is not set",
      { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } },
      "1024",
    ],
    ["a request rounded up", { resourceFieldRef: { resource: "requests.cpu" } }, "1"],
  ])("%s", async (_, valueFrom, expected) => {
    const resources = { limits: { cpu: "500m" } };
    const made = await env([{ name: "X", valueFrom: valueFrom! }], { resources });
    expect(made["X"]).toBe(expected);
  });

  test("a limit that its pod has is that of a container without", async () => {
    const pod = { ...POD, spec: { ...POD.spec, resources: { limits: { memory: "7Ki" } } } };
    const valueFrom = { resourceFieldRef: { resource: "limits.memory", divisor: "1Ki" } };
    const container = { name: "c", env: [{ name: "X", valueFrom }] };
    expect((await makeEnv(pod, container, SOURCES, CONTEXT)).get("X")).toBe("7");
  });

  test("envFrom brings all keys with a prefix; env wins over it", async () => {
    const made = await env([{ name: "P_key", value: "own" }], {
      envFrom: [{ prefix: "P_", configMapRef: { name: "cm" } }],
    });
    expect(made).toMatchObject({ P_key: "own", P_other: "2" });
  });

  test.each<[EnvVar["valueFrom"], string]>([
    [{ configMapKeyRef: { name: "x", key: "k" } }, 'configmap "x" not found'],
    [{ secretKeyRef: { name: "sec", key: "k" } }, "couldn't find key k in Secret n/sec"],
    [
      { fileKeyRef: { volumeName: "v", path: "x", key: "k" } },
      "couldn't find key k in file x of volume v",
    ],
    [
      { fileKeyRef: { volumeName: "v", path: "f", key: "k", optional: true } },
      "file f of volume v: line 2 is not NAME='value'",
    ],
    [{ fieldRef: { fieldPath: "spec.volumes" } }, "unsupported fieldPath: spec.volumes"],
  ])("what is missing is named", async (valueFrom, message) => {
    await expect(env([{ name: "X", valueFrom: valueFrom! }])).rejects.toThrow(message);
  });
});

const PARTS: ContainerParts = {
  attempt: 0,
  run: 0,
  image: { imageRef: "sha256:0", user: { uid: 1, username: "" } },
  env: new Map(),
  mounts: [],
  volumes: new Map(),
  devices: { envs: [], mounts: [], devices: [], cdiDevices: [], annotations: {} },
  terminationLog: "/t",
  seccomp: { root: "/s", byDefault: false },
  users: undefined,
  targetId: undefined,
  node: { memory_bytes: 2 ** 30, oomGroups: false },
};

describe("a container whose variables expand without end", () => {
  const doubled = (levels: number) =>
    Array.from({ length: levels }, (_, i) => ({
      name: `V${i}`,
      value: i === 0 ? "x".repeat(64) : `$(V${i - 1})$(V${i - 1})`,
    }));

  test("is refused for its environment", async () => {
    await expect(env(doubled(40))).rejects.toThrow(/more than 6291456 bytes/);
  });

  test("is measured as config.json has it, of which a control character takes six bytes", async () => {
    const once = { name: "V", value: "\u0001".repeat(1_000) };
    const often = { name: "W", value: "$(V)".repeat(1_000) };
    const plain = [
      { ...once, value: "x".repeat(1_000) },
      { ...often, value: often.value.repeat(3) },
    ];
    expect((await env(plain))["W"]).toHaveLength(3_000_000);
    await expect(env([once, { ...often, value: often.value.repeat(2) }])).rejects.toThrow(/bytes/);
  });

  test("has an equal part of what its pod's containers have together", async () => {
    const containers = Array.from({ length: 200 }, (_, i) => ({ name: `c${i}` }));
    const pod = { ...POD, spec: { ...POD.spec, containers } };
    const large = { name: "c", env: doubled(12) };
    expect((await makeEnv(POD, large, SOURCES, CONTEXT)).size).toBe(13);
    await expect(makeEnv(pod, large, SOURCES, CONTEXT)).rejects.toThrow(/more than 62914 bytes/);
    const parts = { ...PARTS, env: new Map([["V", "x".repeat(60_000)]]) };
    const command = { name: "c", command: ["$(V)"], args: ["$(V)"] };
    expect(() => containerConfig(POD, command, parts)).not.toThrow();
    expect(() => containerConfig(pod, command, parts)).toThrow(/more than 62914 bytes/);
  });

  test("is refused for the number of its variables", async () => {
    const containers = Array.from({ length: 100 }, (_, i) => ({ name: `c${i}` }));
    const pod = { ...POD, spec: { ...POD.spec, containers } };
    const keys = (count: number) => Array.from({ length: count }, (_, i) => [`${i}`, ""]);
    const of = (count: number) => {
      const sources = { ...SOURCES, configMap: async () => Object.fromEntries(keys(count)) };
      return makeEnv(pod, { name: "c", envFrom: [{ configMapRef: {} }] }, sources, CONTEXT);
    };
    expect((await of(3_000)).size).toBe(3_001);
    await expect(of(4_000)).rejects.toThrow(/too long/);
  });

  test("is refused for its command line", async () => {
    const container = { name: "c", args: Array(200).fill("$(V10)".repeat(100)) as string[] };
    const made = new Map(Object.entries(await env(doubled(11))));
    const parts = { ...PARTS, env: made };
    expect(() => containerConfig(POD, container, parts)).toThrow(/more than 6291456 bytes/);
  });
});

test("Services are found by variables in Docker's form; headless ones are not", async () => {
  const service = (name: string, clusterIP: string): Service => ({
    metadata: { name },
    spec: {
      clusterIP,
      ports: [
        { name: "http", port: 80 },
        { name: "q-a", port: 53, protocol: "UDP" },
      ],
    },
  });
  const made = await serviceEnv([service("my-web", "10.96.0.7"), service("none", "None")]);
  expect(Object.fromEntries(made)).toEqual({
    MY_WEB_SERVICE_HOST: "10.96.0.7",
    MY_WEB_SERVICE_PORT: "80",
    MY_WEB_SERVICE_PORT_HTTP: "80",
    MY_WEB_SERVICE_PORT_Q_A: "53",
    MY_WEB_PORT: "tcp://10.96.0.7:80",
    MY_WEB_PORT_80_TCP: "tcp://10.96.0.7:80",
    MY_WEB_PORT_80_TCP_PROTO: "tcp",
    MY_WEB_PORT_80_TCP_PORT: "80",
    MY_WEB_PORT_80_TCP_ADDR: "10.96.0.7",
    MY_WEB_PORT_53_UDP: "udp://10.96.0.7:53",
    MY_WEB_PORT_53_UDP_PROTO: "udp",
    MY_WEB_PORT_53_UDP_PORT: "53",
    MY_WEB_PORT_53_UDP_ADDR: "10.96.0.7",
  });
});

test("Services of more ports than a program could start with make no variables", async () => {
  const service = (clusterIP: string, ports: number): Service => {
    const one = { port: 80 };
    return { metadata: { name: clusterIP }, spec: { clusterIP, ports: Array(ports).fill(one) } };
  };
  const many = [service("10.96.0.1", SERVICE_LINK_PORTS_MAX), service("None", 1_000)];
  expect((await serviceEnv(many)).get("10.96.0.1_SERVICE_HOST")).toBe("10.96.0.1");
  const more = serviceEnv([...many, service("10.96.0.2", 1)]);
  await expect(more).rejects.toThrow(/have 5001 ports.*enableServiceLinks: false/);
});
