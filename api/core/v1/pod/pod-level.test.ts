import { describe, expect, it, onTestFinished, vi } from "vitest";
import { decodeJson } from "../../../codec/json.ts";
import { messageOfField } from "../../../errors.ts";
import type { Container, Pod, PodSecurityContext } from "../../../gen/core/v1.ts";
import { AMOUNTS_MAX, REPEATED_BYTES_MAX } from "../../../limits.ts";
import { pod } from "./pod.ts";
import { prepareResize, validateResize } from "./resize.ts";

const CONTEXT = { now_ms: Date.parse("2026-01-01T00:00:00Z") };

function made(resources: object | undefined, ...containers: object[]): Pod {
  const list = containers.map((own, index) => ({
    name: `c${index}`,
    image: "web:1",
    resources: own,
  }));
  const spec = { ...(resources && { resources }), containers: list };
  const { object } = decodeJson<Pod>("core/v1.Pod", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", namespace: "b" },
    spec,
  });
  pod.strategy.defaults(object);
  pod.strategy.prepareCreate(object, CONTEXT);
  return object;
}

// Facts of upstream's TestSetDefaultResources with PodLevelResources.
describe("defaults of a pod's own resources", () => {
  it.each([
    [
      "requests are the limits where containers ask for nothing",
      { limits: { cpu: "1", memory: "1Gi" } },
      [{}],
      { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "1", memory: "1Gi" } },
    ],
    [
      "requests are those of the containers, also of what has no limit",
      { limits: { cpu: "1" } },
      [{ requests: { cpu: "100m", memory: "1Mi" } }, { limits: { cpu: "200m" } }],
      { requests: { cpu: "300m", memory: "1Mi" }, limits: { cpu: "1" } },
    ],
    [
      "what is given stays",
      { limits: { cpu: "1" }, requests: { cpu: "500m" } },
      [{ requests: { cpu: "100m" } }],
      { limits: { cpu: "1" }, requests: { cpu: "500m" } },
    ],
    [
      "without limits none is added",
      { requests: { cpu: "1" } },
      [{ requests: { memory: "1Mi" } }],
      { requests: { cpu: "1" } },
    ],
    [
      "huge pages are limited to those of the containers",
      { requests: { cpu: "1" } },
      [{ limits: { "hugepages-2Mi": "4Mi", cpu: "1" } }],
      { requests: { cpu: "1", "hugepages-2Mi": "4Mi" }, limits: { "hugepages-2Mi": "4Mi" } },
    ],
    [
      "what only containers may have is left out",
      { limits: { cpu: "1" } },
      [{ requests: { "ephemeral-storage": "1Mi", "example.com/x": "1" } }],
      { limits: { cpu: "1" }, requests: { cpu: "1" } },
    ],
    ["nothing is set where nothing is given", {}, [{ limits: { cpu: "1" } }], {}],
  ])("%s", (_, own, containers, expected) => {
    expect(made(own, ...containers).spec.resources).toEqual(expected);
  });
});

describe("a pod's class is that of its own resources", () => {
  const full = { cpu: "1", memory: "1Gi" };
  it.each([
    [{ limits: full }, [{}], "Guaranteed"],
    [{ limits: full, requests: { ...full, cpu: "1m" } }, [{ limits: full }], "Burstable"],
    [{ requests: { cpu: "1" } }, [{}], "Burstable"],
    [{}, [{ limits: full }], "BestEffort"],
  ])("%j with containers %j: %s", (own, containers, expected) => {
    expect(made(own, ...containers).status?.qosClass).toBe(expected);
  });
});

describe("validation of a pod's own resources", () => {
  const complaints = (own: object, ...containers: object[]) =>
    pod.strategy.validateCreate(made(own, ...containers), CONTEXT).map(messageOfField);

  it.each<[string, object, object[], string[]]>([
    [
      "as much as the containers",
      { requests: { cpu: "300m" } },
      [{ requests: { cpu: "100m" } }, { requests: { cpu: "0.2" } }],
      [],
    ],
    [
      "less than the containers",
      { requests: { cpu: "250m" } },
      [{ requests: { cpu: "100m" } }, { requests: { cpu: "200m" } }],
      [
        'spec.resources.requests[cpu]: Invalid value: "250m": must be greater than or equal to ' +
          "aggregate container requests of 300m",
      ],
    ],
    [
      "limits below those of one container",
      { limits: { memory: "1Mi" }, requests: {} },
      [{ requests: { memory: "1Mi" }, limits: { memory: "2Mi" } }],
      [
        'spec.resources.containers[0][memory].limits: Invalid value: "2Mi": must be less than or ' +
          "equal to pod limits of 1Mi",
      ],
    ],
    [
      "limits below their sum",
      { limits: { memory: "3Mi" }, requests: { memory: "2Mi" } },
      [
        { requests: { memory: "1Mi" }, limits: { memory: "2Mi" } },
        { requests: { memory: "1Mi" }, limits: { memory: "2Mi" } },
      ],
      [],
    ],
    [
      "huge pages below their sum",
      { requests: { cpu: "1", "hugepages-2Mi": "2Mi" }, limits: { "hugepages-2Mi": "2Mi" } },
      [
        { requests: { cpu: "1" }, limits: { "hugepages-2Mi": "2Mi" } },
        { requests: { cpu: "0" }, limits: { "hugepages-2Mi": "2Mi" } },
      ],
      [
        'spec.resources.requests[hugepages-2Mi]: Invalid value: "2Mi": must be greater than or ' +
          "equal to aggregate container requests of 4Mi",
        'spec.resources.limits[hugepages-2Mi]: Invalid value: "2Mi": must be greater than or equal ' +
          "to aggregate container limits of 4Mi",
      ],
    ],
    [
      "a request beyond the limit",
      { requests: { cpu: "2" }, limits: { cpu: "1" } },
      [{}],
      [
        'spec.resources.requests: Invalid value: "2": must be less than or equal to cpu limit ' +
          "of 1",
      ],
    ],
    [
      "what only containers may have",
      { limits: { "ephemeral-storage": "1Gi" } },
      [{}],
      [
        'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": ' +
          'supported values: "cpu", "hugepages-", "memory"',
      ],
    ],
    [
      "claims",
      { claims: [{ name: "x" }] },
      [{}],
      ["spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level"],
    ],
  ])("%s", (_, own, containers, expected) => {
    expect(complaints(own, ...containers)).toEqual(expected);
  });

  it("does not allow them for Windows", () => {
    const object = made({ limits: { cpu: "1" } }, {});
    object.spec.os = { name: "windows" };
    expect(pod.strategy.validateCreate(object, CONTEXT).map(messageOfField)).toContain(
      "spec.resources: Forbidden: may not be set for a windows pod",
    );
  });
});

describe("a resize of a pod's own resources", () => {
  const complaints = (before: object | undefined, after: object | undefined) => {
    const old = made(before, {});
    old.metadata.resourceVersion = "1";
    const object = structuredClone(old);
    if (after === undefined) delete object.spec.resources;
    else object.spec.resources = after;
    pod.strategy.defaults(object);
    prepareResize(object, old);
    return validateResize(object, old).map(messageOfField);
  };
  const small = { requests: { cpu: "1" }, limits: { cpu: "2" } };
  it.each<[string, object | undefined, object | undefined, string[]]>([
    ["may change amounts", small, { requests: { cpu: "2" }, limits: { cpu: "3" } }, []],
    [
      "may add memory",
      small,
      { requests: { cpu: "1", memory: "1Mi" }, limits: { cpu: "2", memory: "2Mi" } },
      [],
    ],
    [
      "may not remove a limit",
      small,
      { requests: { cpu: "1" } },
      ["spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"],
    ],
    [
      "may not remove them",
      small,
      undefined,
      [
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        "spec.resources: Forbidden: pod-level resources cannot be removed",
      ],
    ],
    [
      "may not change the class",
      small,
      { requests: { cpu: "1", memory: "1Mi" }, limits: { cpu: "1", memory: "1Mi" } },
      ['spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'],
    ],
    [
      "may not add them to a pod without",
      undefined,
      {},
      ["spec: Forbidden: only cpu and memory resources are mutable at pod-level"],
    ],
    [
      "may not change huge pages",
      small,
      {
        requests: { cpu: "1", "hugepages-2Mi": "2Mi" },
        limits: { cpu: "2", "hugepages-2Mi": "2Mi" },
      },
      ["spec: Forbidden: only cpu and memory resources are mutable at pod-level"],
    ],
  ])("%s", (_, before, after, expected) => {
    expect(complaints(before, after)).toEqual(expected);
  });
});

it("the requests and limits of all containers are bounded", () => {
  const asking = (count: number) => {
    const names = Array.from({ length: count }, (_, index) => [`example.com/r${index}`, "1"]);
    const amounts: Record<string, string> = Object.fromEntries(names);
    return { requests: amounts, limits: amounts };
  };
  const complaints = (...counts: number[]) =>
    pod.strategy
      .validateCreate(made(undefined, ...counts.map(asking)), CONTEXT)
      .map(messageOfField);
  const quarter = AMOUNTS_MAX / 4;
  expect(complaints(quarter, quarter)).toEqual([]);
  expect(complaints(quarter, quarter + 1)).toEqual([
    expect.stringContaining("must have at most 4096 requests and limits in all"),
  ]);
});

it("what a status repeats of all containers is bounded", () => {
  const most = REPEATED_BYTES_MAX;
  const complaints = (container: Partial<Container>, securityContext: PodSecurityContext = {}) => {
    const object = made(undefined, {}, {});
    object.spec.securityContext = securityContext;
    object.spec.volumes = [{ name: "v", emptyDir: {} }];
    Object.assign(object.spec.containers[1]!, container);
    return pod.strategy.validateCreate(object, CONTEXT).map(messageOfField);
  };
  const mounts = (count: number) => {
    // Two texts, their quotes and commas.
    const mount = (_: unknown, at: number) => ({ name: "v", mountPath: `/${at}`.padEnd(121, "m") });
    return { volumeMounts: Array.from({ length: count }, mount) };
  };
  const limits = Object.fromEntries(
    Array.from({ length: 1_150 }, (_, at) => [
      `${"r".repeat(60)}.example/${at}`.padEnd(125, "x"),
      "0",
    ]),
  );
  const refused = [expect.stringContaining(`must have at most ${most} bytes of JSON`)];
  expect(complaints(mounts(most / 128 - 1))).toEqual([]);
  expect(complaints(mounts(most / 128))).toEqual(refused);
  expect(complaints({ resources: { limits, requests: limits } })).toEqual(refused);
  // Groups are the pod's, and in the status of each container.
  const supplementalGroups = Array.from({ length: most / 12 }, () => 1_000);
  expect(complaints({}, { supplementalGroups })).toEqual([]);
  supplementalGroups.push(...supplementalGroups);
  expect(complaints({}, { supplementalGroups })).toEqual(refused);
  for (const letter of ["i", "\u4e00", "\u0001"]) {
    const size = Buffer.byteLength(JSON.stringify(letter)) - 2;
    expect(complaints({ image: letter.repeat(most / size) }), letter).toEqual(refused);
  }
});

it("a pod's claims are listed once for all uses of others", () => {
  const object = made(undefined, {
    claims: [...Array.from({ length: 50 }, (_, at) => ({ name: `other-${at}` })), { name: "c7" }],
  });
  object.spec.resourceClaims = Array.from({ length: 99 }, (_, at) => ({
    name: `c${at}`,
    resourceClaimName: "claim",
  }));
  const join = vi.spyOn(Array.prototype, "join");
  onTestFinished(() => join.mockRestore());
  const findings = pod.strategy.validateCreate(object, CONTEXT);
  expect((join.mock.contexts as unknown[][]).filter(({ length }) => length === 99)).toHaveLength(1);
  expect(findings).toHaveLength(50);
  expect(findings[0]!.detail).toMatch(/in pod.spec.resourceClaims: c0, c1, c10,/);
});

it("a pod's name that is too long is not repeated for each of its volumes", () => {
  const object = made(undefined, {});
  const resources = { requests: { storage: "1" } };
  const spec = { accessModes: ["ReadWriteOnce" as const], resources };
  object.spec.volumes = [{ name: "v", ephemeral: { volumeClaimTemplate: { spec } } }];
  const fields = (name: string) => {
    object.metadata.name = name;
    return pod.strategy.validateCreate(object, CONTEXT).map(({ field }) => field);
  };
  expect(fields("a".repeat(253))).toEqual(["spec.volumes[0].name"]);
  expect(fields("a".repeat(254))).toEqual(["metadata.name"]);
});
