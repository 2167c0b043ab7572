import { mergeResponses } from "@raft2kube/kubelet/devices/allocation-response.ts";
import { acceptPreference, planDevices } from "@raft2kube/kubelet/devices/plan.ts";
import {
  AllocateResponse,
  DevicePluginOptions,
  ListAndWatchResponse,
  PreferredAllocationResponse,
  RegisterRequest,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { messageCase, messageTarget } from "./message.ts";

/** Messages of a device plugin: its registration, its list of devices, its answers. */
export const deviceMessage = messageTarget("device-message", [
  messageCase(
    ListAndWatchResponse,
    {
      devices: [
        { ID: "a", health: "Healthy", topology: { nodes: [{ ID: 0 }] } },
        { ID: "b", health: "Unhealthy" },
      ],
    },
    ({ devices }) => void planDevices(2, { reusable: [], free: devices.map(({ ID }) => ID) }),
  ),
  messageCase(
    AllocateResponse,
    {
      containerResponses: [
        {
          envs: { A: "b", constructor: "e" },
          annotations: { c: "d", constructor: "f" },
          cdiDevices: [{ name: "v/c=d" }],
          mounts: [{ containerPath: "/a", hostPath: "/b", readOnly: true }],
          devices: [{ containerPath: "/dev/a", hostPath: "/dev/b", permissions: "rw" }],
        },
      ],
    },
    ({ containerResponses }) => {
      const { envs, annotations } = mergeResponses(containerResponses);
      const named = containerResponses.flatMap((each) => Object.keys(each.envs));
      if (new Set(named).size !== envs.length) throw new Error("a variable is lost");
      const noted = containerResponses.flatMap((each) => Object.keys(each.annotations));
      if (new Set(noted).size !== Object.keys(annotations).length) {
        throw new Error("an annotation is lost");
      }
    },
  ),
  messageCase(
    PreferredAllocationResponse,
    { containerResponses: [{ deviceIDs: ["a", "b"] }] },
    ({ containerResponses }) => {
      const plan = planDevices(2, { reusable: [], free: ["a", "b", "c"] });
      if (plan.kind !== "choose") throw new Error("three devices are short of two");
      for (const { deviceIDs } of containerResponses) acceptPreference(deviceIDs, plan);
    },
  ),
  messageCase(RegisterRequest, {
    version: "v1beta1",
    endpoint: "plugin.sock",
    resourceName: "example.com/device",
    options: { preStartRequired: true },
  }),
  messageCase(DevicePluginOptions, { getPreferredAllocationAvailable: true }),
]);
