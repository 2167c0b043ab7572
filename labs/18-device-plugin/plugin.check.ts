import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { DeviceSet } from "@raft2kube/device/lib/device-set.ts";
import { RECHECK_MS } from "@raft2kube/device/lib/limits.ts";
import { answerAllocate } from "@raft2kube/device/lib/service.ts";
import { startGpuPlugin } from "@raft2kube/device/plugins/gpu/main.ts";
import { startSampleDevicePlugin } from "@raft2kube/device/plugins/sample/main.ts";
import { startDeviceManager } from "@raft2kube/kubelet/devices/device-manager.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { listed, RESOURCE, SOCKET, soon, until, withBench } from "./kubelet.ts";

const SICK = [
  { ID: "a", health: "Healthy" },
  { ID: "b", health: "Unhealthy" },
];
const clock = systemClock();

check("device set: a follower gets the list at once, then the latest of the changes", async () => {
  const devices = new DeviceSet([{ ID: "a", health: "Healthy" }]);
  const end = new AbortController();
  const lists = devices.follow(end.signal);
  const next = async () => {
    const { value, done } = await lists.next();
    return done ? "the end" : value.map((each) => `${each.ID} ${each.health}`).join();
  };
  const first = await soon(next(), {
    when: "a follower asks for the devices, of which none has changed",
    expected: "a Healthy",
    why: "the first list is what the kubelet counts: a Node without it has no devices",
  });
  devices.set([{ ID: "a", health: "Unhealthy" }]);
  devices.set([
    { ID: "a", health: "Healthy" },
    { ID: "b", health: "Healthy" },
  ]);
  const second = await soon(next(), {
    when: "two changes happen while the follower handles the first list",
    expected: "a Healthy,b Healthy: the latest",
    why: "a change between two calls of next() must not be lost",
  });
  const third = next();
  end.abort();
  const last = await soon(third, {
    when: "the follower's call is cancelled while it waits",
    expected: "the end",
    why: "each kubelet's restart would leave a generator behind",
  });
  judge(`${first}; ${second}; ${last}` === "a Healthy; a Healthy,b Healthy; the end", {
    when: "a list, two changes at once, then the end",
    expected: "a Healthy; a Healthy,b Healthy; the end",
    happened: `${first}; ${second}; ${last}`,
    why: "the kubelet replaces its list by each that it gets: only the latest counts",
  });
});

check("service: Allocate answers each container of a request, in its order", () => {
  const request = { containerRequests: [{ devicesIds: ["b"] }, { devicesIds: ["a", "c"] }] };
  const { containerResponses = [] } = answerAllocate(
    {
      resourceName: RESOURCE,
      devices: new DeviceSet([]),
      allocate: (ids) => ({ envs: { IDS: ids.join("+") } }),
    },
    request,
  );
  const envs = containerResponses.map(({ envs = {} }) => (envs as Record<string, string>)["IDS"]);
  judge(envs.join() === "b,a+c", {
    when: "Allocate asks for b in one container, and for a and c in another",
    expected: "b, then a+c",
    happened: envs.join(", then ") || "no answers",
    why: "the kubelet matches requests and answers by their position",
  });
});

check("plugin: it serves its socket before it registers it", () =>
  withBench(async ({ kubelet, startPlugin }) => {
    await kubelet.start();
    startPlugin();
    await until(() => kubelet.registrations.length > 0, {
      when: "kubelet.sock is there, and the plugin starts",
      expected: "a call of Register",
      why: "the kubelet calls only plugins that have registered",
      body: "register",
    });
    const { request, refusal } = kubelet.registrations[0]!;
    const { version, endpoint, resourceName, options } = request;
    const prefers = options?.getPreferredAllocationAvailable;
    const got = `${version} ${endpoint} ${resourceName} ${prefers}`;
    const expected = `v1beta1 ${SOCKET} ${RESOURCE} true`;
    judge(got === expected, {
      when: "the plugin registers; it has `prefer`, and no `preStart`",
      expected: `version, endpoint, resource, preferred allocation: ${expected}`,
      happened: got,
      why: "the endpoint is a name in the kubelet's directory; other versions are refused",
      body: "register",
    });
    judge(refusal === "", {
      when: `the kubelet connects back to ${SOCKET} before it answers Register`,
      expected: "the plugin answers",
      happened: refusal,
      why: "the kubelet drops a plugin that it cannot call",
      body: "restore",
    });
  }),
);

check("plugin: ListAndWatch sends all devices, and all again when one changes", () =>
  withBench(async ({ kubelet, devices, startPlugin }) => {
    await kubelet.start();
    startPlugin();
    await until(() => kubelet.registrations.length > 0, {
      when: "the plugin starts",
      expected: "a call of Register",
      why: "the kubelet calls only plugins that have registered",
    });
    const lists = kubelet.plugin().listAndWatch({})[Symbol.asyncIterator]();
    const expected = {
      when: "ListAndWatch is called",
      expected: "a list",
      why: "without a list the Node has no devices; without another the kubelet uses the old one",
    };
    const first = listed((await soon(lists.next(), expected)).value!);
    devices.set(SICK);
    const change = { ...expected, when: "b becomes unhealthy", expected: "another list" };
    const second = listed((await soon(lists.next(), change)).value!);
    const happened = `${first}; ${second}`;
    judge(happened === "a Healthy, b Healthy; a Healthy, b Unhealthy", {
      when: "devices a and b; then b becomes unhealthy",
      expected: "a Healthy, b Healthy; a Healthy, b Unhealthy",
      happened,
      why: "a list replaces the one before: a device that it lacks is gone for the kubelet",
    });
  }),
);

check("plugin: it registers again with a new kubelet, and once with each", () =>
  withBench(async ({ kubelet, startPlugin, looks_ms }) => {
    /** Lets the plugin look twice more; a failed attempt is followed by a short pause. */
    const looksTwice = async (when: string) => {
      const before = looks_ms.length;
      await until(() => looks_ms.length > before + 2, {
        when,
        expected: "the plugin looks for a new kubelet every few seconds",
        why: "an event of the folder may be lost",
      });
      return looks_ms.slice(before);
    };
    const idles = async (when: string) => {
      const failed = (await looksTwice(when)).find((pause_ms) => pause_ms < RECHECK_MS);
      judge(failed === undefined, {
        when: `${when}: there is no kubelet.sock`,
        expected: `the plugin looks for it every ${RECHECK_MS} ms, and calls nothing`,
        happened: `an attempt to register failed; the next follows in ${failed} ms`,
        why: "its failures are logged as a mistake, and make the wait for the kubelet longer",
      });
    };
    const registered = async (count: number, when: string) => {
      await until(() => kubelet.registrations.length >= count, {
        when,
        expected: "a call of Register",
        why: "a kubelet starts without any registration: pods would wait for devices forever",
        happened: () => `${kubelet.registrations.length} calls in all, ${count} expected`,
      });
      const { refusal } = kubelet.registrations[count - 1]!;
      judge(refusal === "", {
        when: `${when}; it has removed ${SOCKET}, and connects back to it`,
        expected: "the plugin answers: it serves again before it registers",
        happened: refusal,
        why: "the server that it has is bound to a file that is gone: nobody reaches it",
      });
      await looksTwice(`${when}, and goes on`);
      judge(kubelet.registrations.length === count, {
        when: `${when}, and goes on`,
        expected: `${count} calls of Register in all: one with each kubelet`,
        happened: `${kubelet.registrations.length}`,
        why: "each registration ends the one before, with its list of devices",
      });
    };
    startPlugin();
    await idles("the plugin starts before the kubelet");
    await kubelet.start();
    await registered(1, "the kubelet starts after the plugin");
    await kubelet.stop();
    await idles("the kubelet ends, which removes kubelet.sock");
    await kubelet.start();
    await registered(2, "another kubelet starts");
    await kubelet.replace();
    await registered(3, "the kubelet is killed, and another replaces kubelet.sock at once");
  }),
);

check("plugin: it tries again with a kubelet that has refused it", () =>
  withBench(async ({ kubelet, startPlugin }) => {
    kubelet.refuse(1);
    await kubelet.start();
    startPlugin();
    await until(() => !kubelet.isRefusing, {
      when: "kubelet.sock is there, and the plugin starts",
      expected: "a call of Register",
      why: "the kubelet calls only plugins that have registered",
    });
    await until(() => kubelet.registrations.length > 0, {
      when: "the kubelet refuses the first call of Register, and goes on",
      expected: "another call of the same kubelet",
      why: "a kubelet counts as registered with once it has accepted, not once it was asked",
    });
  }),
);

check("plugin: it registers with a kubelet that comes while it registers with another", () =>
  withBench(async ({ kubelet, startPlugin }) => {
    kubelet.replaceWithinRegister();
    await kubelet.start();
    startPlugin();
    const why = "a kubelet may end at any time: the file seen after Register is another kubelet's";
    await until(() => kubelet.registrations.length > 0, {
      when: "kubelet.sock is there, and the plugin starts",
      expected: "a call of Register",
      why,
    });
    await until(() => kubelet.registrations.length > 1, {
      when: "another kubelet replaces kubelet.sock before the first one answers Register",
      expected: "a call of Register with the new kubelet",
      why,
    });
  }),
);

check("plugin: its end cancels a call of Register that is under way", () =>
  withBench(async ({ kubelet, startPlugin }) => {
    kubelet.holdRegister();
    await kubelet.start();
    const plugin = startPlugin();
    const why = "a plugin that waits for a hanging kubelet does not end on SIGTERM: it is killed";
    await until(() => kubelet.registrations.length > 0, {
      when: "kubelet.sock is there, and the plugin starts",
      expected: "a call of Register",
      why,
    });
    await soon(plugin.close(), {
      when: "the kubelet does not answer Register, and the plugin is closed",
      expected: "it ends: the call has the plugin's signal, in `limits`",
      why,
    });
  }),
);

function podOf(uid: string, resource: string, count: number): Pod {
  const limits = { [resource]: String(count) };
  const containers = [{ name: "c", resources: { limits } }];
  return { metadata: { name: uid, namespace: "lab", uid }, spec: { containers } };
}

/** This product's kubelet with a plugin; pods are admitted and get their devices. */
async function withKubelet(
  resource: string,
  start: (kubeletDir: string) => Promise<{ close(): Promise<void> }>,
  allocatable: number,
  body: (ask: (uid: string, count: number) => Promise<string>) => Promise<void>,
): Promise<void> {
  await withBench(async ({ rootDir }) => {
    const pods: Pod[] = [];
    const kubelet = await startDeviceManager({ rootDir, activePods: { list: () => pods }, clock });
    const plugin = await start(rootDir);
    try {
      const count = () => kubelet.manager.capacity().allocatable[resource];
      await until(() => count() === String(allocatable), {
        when: "the plugin runs beside the cluster's kubelet",
        expected: `${allocatable} ${resource} allocatable`,
        happened: () => `${count() ?? "none"}`,
        why: "the scheduler places pods by the Node's allocatable",
      });
      await body(async (uid, wanted) => {
        const pod = podOf(uid, resource, wanted);
        pods.push(pod);
        await kubelet.manager.admit(pod);
        const { envs, devices } = await kubelet.manager.allocate(pod, pod.spec.containers[0]!);
        const words = [...envs.map(({ value }) => value), ...devices.map((d) => d.containerPath)];
        return words.join(" ");
      });
    } finally {
      await plugin.close();
      await kubelet.close();
    }
  });
}

check("kubelet: a pod gets the sample plugin's device, another waits for one", () =>
  withKubelet(
    "r2k.dev/sample",
    (kubeletDir) => startSampleDevicePlugin({ kubeletDir, count: 2, clock }),
    2,
    async (ask) => {
      const first = await ask("first", 2);
      judge(first === "sample-0,sample-1 /dev/r2k/sample-0 /dev/r2k/sample-1", {
        when: "a pod asks for two of two devices",
        expected: "sample-0,sample-1 /dev/r2k/sample-0 /dev/r2k/sample-1",
        happened: first,
        why: "variables and device nodes are all that a container sees of a plugin",
      });
      const second = await ask("second", 1).catch(messageOf);
      judge(second.includes("Available: 0"), {
        when: "a second pod asks for one",
        expected: "a refusal: Requested: 1, Available: 0",
        happened: second,
        why: "a device belongs to one container",
      });
    },
  ),
);

check("kubelet: three pods share two GPUs, each with its part of the memory", () =>
  withKubelet(
    "r2k.dev/gpu",
    (kubeletDir) => startGpuPlugin({ kubeletDir, count: 2, memory_mib: 16_384, shares: 3, clock }),
    6,
    async (ask) => {
      const seen = [await ask("a", 2), await ask("b", 3), await ask("c", 1)].join("; ");
      const expected =
        "gpu-0 10922 /dev/r2k-gpu/gpu-0; gpu-1 16383 /dev/r2k-gpu/gpu-1; " +
        "gpu-0 5461 /dev/r2k-gpu/gpu-0";
      judge(seen === expected, {
        when: "pods ask for 2, 3 and 1 of 6 shares, 5461 MiB each: 16384 in three, rounded down",
        expected,
        happened: seen,
        why: "packed shares leave a whole GPU to the pod that needs one",
      });
    },
  ),
);
