import { describe, expect, it } from "vitest";
import { deployment } from "../../../apps/v1/deployment.ts";
import { cronJob } from "../../../batch/v1/cron-job.ts";
import { decodeJson } from "../../../codec/json.ts";
import { messageOfField } from "../../../errors.ts";
import type { Pod } from "../../../gen/core/v1.ts";
import { CONTAINERS_MAX, SCHEDULING_TERMS_MAX, VOLUMES_MAX } from "../../../limits.ts";
import { podTemplate } from "../pod-template.ts";
import { pullPolicyOf } from "./defaults.ts";
import { pod } from "./pod.ts";
import { qosClassOf } from "./qos.ts";

const CONTEXT = { now_ms: Date.parse("2026-01-01T00:00:00Z") };

function made(spec: object, metadata: object = {}): Pod {
  const { object } = decodeJson<Pod>("core/v1.Pod", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "b", ...metadata },
    spec,
  });
  pod.strategy.defaults(object);
  pod.strategy.prepareCreate(object, CONTEXT);
  return object;
}

function complaints(spec: object): string[] {
  return pod.strategy.validateCreate(made(spec), CONTEXT).map(messageOfField);
}

const image = { name: "c", image: "web:1" };

const RESTART_ON_42 = { action: "Restart", exitCodes: { operator: "In", values: [42] } };

describe("defaults", () => {
  it("fill what the author left out", () => {
    const object = made({
      containers: [
        { ...image, ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } },
      ],
      volumes: [{ name: "v" }, { name: "c", configMap: { name: "m" } }],
    });
    expect(object).toEqual({
      kind: "Pod",
      apiVersion: "v1",
      metadata: { name: "a", namespace: "b", generation: 1 },
      spec: {
        containers: [
          {
            ...image,
            imagePullPolicy: "IfNotPresent",
            resources: {},
            ports: [{ containerPort: 80, protocol: "TCP" }],
            readinessProbe: {
              httpGet: { path: "/", port: 80, scheme: "HTTP" },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
            terminationMessagePath: "/dev/termination-log",
            terminationMessagePolicy: "File",
          },
        ],
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "c", configMap: { name: "m", defaultMode: 420 } },
        ],
        dnsPolicy: "ClusterFirst",
        restartPolicy: "Always",
        securityContext: {},
        terminationGracePeriodSeconds: 30,
        schedulerName: "default-scheduler",
        enableServiceLinks: true,
      },
      status: { phase: "Pending", qosClass: "BestEffort" },
    });
  });

  it("give the same twice", () => {
    const once = made({
      hostNetwork: true,
      containers: [
        { ...image, ports: [{ containerPort: 1 }], resources: { limits: { cpu: "1" } } },
      ],
    });
    const twice = structuredClone(once);
    pod.strategy.defaults(twice);
    expect(twice).toEqual(once);
  });

  it.each([
    ["web", "Always"],
    ["web:latest", "Always"],
    ["web:1", "IfNotPresent"],
    ["localhost:5000/web", "Always"],
    ["localhost:5000/web:2", "IfNotPresent"],
    ["web@sha256:abc", "IfNotPresent"],
  ])("pull %s: %s", (name, policy) => {
    expect(pullPolicyOf(name)).toBe(policy);
  });
});

describe("quality of service", () => {
  it.each([
    [{}, "BestEffort"],
    [{ requests: { cpu: "1" } }, "Burstable"],
    [
      { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "1000m", memory: "1024Mi" } },
      "Guaranteed",
    ],
    [{ limits: { cpu: "1" }, requests: { cpu: "1" } }, "Burstable"],
  ])("of %j is %s", (resources, expected) => {
    expect(qosClassOf({ containers: [{ ...image, resources }] })).toBe(expected);
  });
});

const BLOCK = [
  { name: "v", persistentVolumeClaim: { claimName: "c" } },
  { name: "e", emptyDir: {} },
];

describe("validation", () => {
  it("accepts a plain pod", () => {
    expect(complaints({ containers: [image] })).toEqual([]);
  });

  it.each([
    [
      { name: "v", devicePath: "../../etc/profile.d/x.sh" },
      "devicePath: Invalid value: " +
        "\"../../etc/profile.d/x.sh\": can not contain backsteps ('..')",
    ],
    [{ name: "v", devicePath: "" }, "devicePath: Required value"],
    [{ name: "w", devicePath: "/dev/x" }, 'name: Not found: "w"'],
    [
      { name: "e", devicePath: "/dev/x" },
      'name: Invalid value: "e": can only use volume source ' +
        "type of PersistentVolumeClaim or Ephemeral for block mode",
    ],
  ])("refuses the volume device %j", (device, complaint) => {
    const containers = [{ ...image, volumeDevices: [device] }];
    expect(complaints({ containers, volumes: BLOCK })).toContain(
      `spec.containers[0].volumeDevices[0].${complaint}`,
    );
  });

  it("refuses a volume's device in a user namespace", () => {
    const containers = [{ ...image, volumeDevices: [{ name: "v", devicePath: "/dev/x" }] }];
    expect(complaints({ containers, volumes: BLOCK })).toEqual([]);
    expect(complaints({ containers, volumes: BLOCK, hostUsers: false })).toEqual([
      "spec.containers[0].volumeDevices: Forbidden: when `hostUsers` is false",
    ]);
  });

  it.each(["Always", "OnRootMismatch"])("accepts fsGroupChangePolicy %s", (policy) => {
    const securityContext = { fsGroup: 1, fsGroupChangePolicy: policy };
    expect(complaints({ containers: [image], securityContext })).toEqual([]);
  });

  it.each([
    [{ containers: [] }, "spec.containers: Required value"],
    [
      { containers: [{ name: "A", image: "x" }] },
      'spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of',
    ],
    [{ containers: [image, image] }, 'spec.containers[1].name: Duplicate value: "c"'],
    [{ containers: [{ name: "c" }] }, "spec.containers[0].image: Required value"],
    [
      { containers: [{ ...image, ports: [{ containerPort: 70000 }] }] },
      "spec.containers[0].ports[0].containerPort: Invalid value: 70000: " +
        "must be between 1 and 65535, inclusive",
    ],
    [
      { containers: [{ ...image, ports: [{ containerPort: 80, protocol: "X" }] }] },
      'spec.containers[0].ports[0].protocol: Unsupported value: "X": ' +
        'supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      { containers: [image], restartPolicy: "Sometimes" },
      'spec.restartPolicy: Unsupported value: "Sometimes": ' +
        'supported values: "Always", "OnFailure", "Never"',
    ],
    [
      { containers: [{ ...image, volumeMounts: [{ name: "v", mountPath: "/v" }] }] },
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ],
    [
      { containers: [image], volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/x" } }] },
      "may not specify more than 1 volume type",
    ],
    [
      { containers: [{ ...image, resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }] },
      'spec.containers[0].resources.requests: Invalid value: "2": ' +
        "must be less than or equal to cpu limit of 1",
    ],
    [
      { containers: [{ ...image, resources: { limits: { bananas: "1" } } }] },
      'spec.containers[0].resources.limits[bananas]: Invalid value: "bananas": ' +
        "must be a standard resource for containers",
    ],
    [
      { containers: [{ ...image, livenessProbe: {} }] },
      "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ],
    [
      { containers: [{ ...image, env: [{ name: "a=b" }] }] },
      'spec.containers[0].env[0].name: Invalid value: "a=b"',
    ],
    [
      { containers: [image], tolerations: [{ key: "k", operator: "Maybe" }] },
      'spec.tolerations[0].operator: Unsupported value: "Maybe"',
    ],
    [
      {
        containers: [image],
        initContainers: [{ ...image, name: "i", livenessProbe: { exec: { command: ["x"] } } }],
      },
      "spec.initContainers[0].livenessProbe: Forbidden: " +
        "may not be set for init containers without restartPolicy=Always",
    ],
    [
      { containers: [{ ...image, restartPolicyRules: [RESTART_ON_42] }] },
      "spec.containers[0].restartPolicy: Required value: " +
        "must specify restartPolicy when restart rules are used",
    ],
    [
      { containers: [{ ...image, restartPolicy: "Never", restartPolicyRules: [{}] }] },
      'spec.containers[0].restartPolicyRules[0].action: Unsupported value: "": ' +
        'supported values: "Restart", "RestartAllContainers"\n' +
        "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
    ],
    [
      {
        containers: [image],
        initContainers: [
          {
            ...image,
            name: "i",
            restartPolicy: "Never",
            restartPolicyRules: [{ action: "Restart", exitCodes: { values: [1] } }],
          },
        ],
      },
      'spec.initContainers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: "": ' +
        'supported values: "In", "NotIn"',
    ],
    [
      { containers: [image], securityContext: { fsGroupChangePolicy: "x" } },
      'spec.securityContext.fsGroupChangePolicy: Unsupported value: "x": ' +
        'supported values: "Always", "OnRootMismatch"',
    ],
    [
      { containers: [image], activeDeadlineSeconds: 0 },
      "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ],
  ])("refuses %j", (spec, message) => {
    expect(complaints(spec).join("\n")).toContain(message);
  });

  it.each([
    [{ awsElasticBlockStore: { volumeID: "" } }, ["awsElasticBlockStore.volumeID: Required value"]],
    [{ gcePersistentDisk: {} }, ["gcePersistentDisk.pdName: Required value"]],
    [
      { gcePersistentDisk: { pdName: "d", partition: 256 } },
      ["gcePersistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive"],
    ],
    [
      { azureDisk: { diskName: "" } },
      ["azureDisk.diskName: Required value", "azureDisk.diskURI: Required value"],
    ],
    [
      { azureFile: {} },
      ["azureFile.secretName: Required value", "azureFile.shareName: Required value"],
    ],
    [
      { cinder: { secretRef: {} } },
      ["cinder.volumeID: Required value", "cinder.secretRef.name: Required value"],
    ],
    [{ portworxVolume: {} }, ["portworxVolume.volumeID: Required value"]],
    [{ vsphereVolume: {} }, ["vsphereVolume.volumePath: Required value"]],
    [{ cinder: { volumeID: "c", secretRef: { name: "s" } } }, []],
    [{ awsElasticBlockStore: { volumeID: "vol-1", partition: 1 } }, []],
  ])("of a volume %j refuses %j", (source, messages) => {
    const volumes = [{ name: "v", ...source }];
    expect(complaints({ containers: [image], volumes })).toEqual(
      messages.map((each) => `spec.volumes[0].${each}`),
    );
  });

  it.each(["containers", "initContainers", "ephemeralContainers"])("bounds its %s", (list) => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ ...image, name: `n${index}` }));
    const excess = (count: number) =>
      complaints({ containers: [image], [list]: many(count) }).filter(
        (each) => !/on create/.test(each),
      );
    expect(excess(CONTAINERS_MAX)).toEqual([]);
    expect(excess(CONTAINERS_MAX + 1)).toEqual([
      `spec.${list}: Too many: 257: must have at most 256 items`,
    ]);
  });

  it("bounds its volumes", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ name: `n${index}`, emptyDir: {} }));
    expect(complaints({ containers: [image], volumes: many(VOLUMES_MAX) })).toEqual([]);
    expect(complaints({ containers: [image], volumes: many(VOLUMES_MAX + 1) })).toEqual([
      "spec.volumes: Too many: 1001: must have at most 1000 items",
    ]);
  });

  it("reads a long path of a field once", () => {
    const fieldPath = "['".repeat(500_000);
    const env = [{ name: "A", valueFrom: { fieldRef: { fieldPath } } }];
    expect(complaints({ containers: [{ ...image, env }] })).toEqual([
      expect.stringContaining("field label not supported"),
    ]);
    env[0]!.valueFrom.fieldRef.fieldPath = `${fieldPath}']`;
    expect(complaints({ containers: [{ ...image, env }] })).toEqual([
      expect.stringContaining("does not support subscript"),
    ]);
  });

  it("bounds what the scheduler compares with every other pod", () => {
    const topologyKey = "kubernetes.io/hostname";
    const hard = "requiredDuringSchedulingIgnoredDuringExecution";
    const soft = "preferredDuringSchedulingIgnoredDuringExecution";
    const times = <T>(count: number, item: (index: number) => T) =>
      Array.from({ length: count }, (_, index) => item(index));
    const spread = (count: number) => ({
      topologySpreadConstraints: times(count, (index) => ({
        maxSkew: 1,
        topologyKey: `k${index}`,
        whenUnsatisfiable: "DoNotSchedule",
      })),
    });
    const weighted = () => ({ weight: 1, podAffinityTerm: { topologyKey } });
    const near = (count: number) => ({
      affinity: { podAffinity: { [soft]: times(count, weighted) } },
    });
    const apart = (count: number) => ({
      affinity: { podAntiAffinity: { [hard]: times(count, () => ({ topologyKey })) } },
    });
    for (const terms of [spread, near, apart]) {
      const containers = [image];
      expect(complaints({ containers, ...terms(SCHEDULING_TERMS_MAX) })).toEqual([]);
      expect(complaints({ containers, ...terms(SCHEDULING_TERMS_MAX + 1) })).toEqual([
        expect.stringContaining("Too many: 101: must have at most 100 items"),
      ]);
    }
  });
});

describe("warnings", () => {
  it("name what is probably not meant", () => {
    const object = made({
      containers: [
        {
          ...image,
          env: [
            { name: "A", value: "1" },
            { name: "A", value: "2" },
          ],
        },
      ],
      volumes: [{ name: "v", rbd: { image: "i", monitors: ["m"] } }],
    });
    expect(pod.strategy.warnings(object)).toEqual([
      "spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+",
      'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when ' +
        "using apply",
    ]);
  });

  it("say of pods that ask for devices that none is allocated, in templates, too", () => {
    const spec = { containers: [image], resourceClaims: [{ name: "d", resourceClaimName: "c" }] };
    const text = "stored, but devices are not allocated by claims yet: no such pod gets a node";
    expect(pod.strategy.warnings(made(spec))).toEqual([`spec.resourceClaims: ${text}`]);
    const template = { metadata: {}, spec };
    const selector = {};
    const texts = [
      deployment.strategy.warnings({ metadata: { name: "d" }, spec: { selector, template } }),
      podTemplate.strategy.warnings({ metadata: {}, template }),
      cronJob.strategy.warnings({
        metadata: { name: "c" },
        spec: { schedule: "@daily", jobTemplate: { spec: { template } } },
      }),
    ];
    expect(texts).toEqual([
      [`spec.template.spec.resourceClaims: ${text}`],
      [`template.spec.resourceClaims: ${text}`],
      [`spec.jobTemplate.spec.template.spec.resourceClaims: ${text}`],
    ]);
  });
});

describe("updates", () => {
  const old = made({ containers: [image] }, { resourceVersion: "1" });

  function changed(change: (object: Pod) => void): { object: Pod; errors: string[] } {
    const object = structuredClone(old);
    change(object);
    pod.strategy.prepareUpdate(object, old, CONTEXT);
    const errors = pod.strategy.validateUpdate(object, old, CONTEXT).map(messageOfField);
    return { object, errors };
  }

  it("may change an image, which raises the generation", () => {
    const { object, errors } = changed((each) => {
      each.spec.containers[0]!.image = "web:2";
    });
    expect(errors).toEqual([]);
    expect(object.metadata.generation).toBe(2);
  });

  it("may not change other fields, nor the status", () => {
    const { object, errors } = changed((each) => {
      each.spec.nodeName = "elsewhere";
      each.status = { phase: "Running" };
    });
    expect(errors.join()).toContain("pod updates may not change fields other than");
    expect(object.status).toEqual(old.status);
  });

  it("through /status change the status alone", () => {
    const status = pod.subresources.status!.strategy!;
    const object = structuredClone(old);
    object.spec.nodeName = "elsewhere";
    object.status = { phase: "Running" };
    status.prepareUpdate(object, old, CONTEXT);
    expect(status.validateUpdate(object, old, CONTEXT)).toEqual([]);
    expect(object.spec).toEqual(old.spec);
    expect(object.status).toEqual({ phase: "Running", qosClass: "BestEffort" });
  });
});

describe("columns", () => {
  function cells(status: object, metadata: object = {}): unknown[] {
    const object = { ...made({ containers: [image] }, metadata), status } as Pod;
    return pod.columns.slice(1, 4).map((each) => each.value(object, CONTEXT.now_ms));
  }

  it.each([
    [{ phase: "Pending" }, ["0/1", "Pending", "0"]],
    [
      {
        phase: "Running",
        containerStatuses: [
          {
            name: "c",
            ready: true,
            restartCount: 2,
            state: { running: {} },
            lastState: { terminated: { exitCode: 1, finishedAt: "2025-12-31T23:59:00Z" } },
          },
        ],
      },
      ["1/1", "Running", "2 (60s ago)"],
    ],
    [
      {
        phase: "Running",
        containerStatuses: [
          {
            name: "c",
            ready: false,
            restartCount: 0,
            state: { waiting: { reason: "CrashLoopBackOff" } },
          },
        ],
      },
      ["0/1", "CrashLoopBackOff", "0"],
    ],
    [
      {
        phase: "Succeeded",
        containerStatuses: [
          {
            name: "c",
            ready: false,
            restartCount: 0,
            state: { terminated: { exitCode: 0, reason: "Completed" } },
          },
        ],
      },
      ["0/1", "Completed", "0"],
    ],
  ])("of %j are %j", (status, expected) => {
    expect(cells(status)).toEqual(expected);
  });

  it("say Terminating while a pod goes", () => {
    expect(cells({ phase: "Running" }, { deletionTimestamp: "2026-01-01T00:00:00Z" })[1]).toBe(
      "Terminating",
    );
  });
});
