import type { ContainerStatus } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import type { ObservedContainer } from "../cri/observed.ts";
import { instanceOf } from "./container-logs.ts";

const instance = (id: string, state: ObservedContainer["state"]) =>
  ({ id, name: "c", state }) as ObservedContainer;
const ended = (id: string) => ({ terminated: { exitCode: 1, containerID: `r2k://${id}` } });

/** The id of the instance that `kubectl logs` shows, or the error. */
function shown(
  instances: ObservedContainer[],
  status: Partial<ContainerStatus>,
  previous: boolean,
): string {
  const metadata = { name: "p", namespace: "n", uid: "u" };
  const base = { name: "c", image: "", imageID: "", ready: false, restartCount: 0 };
  const worker = {
    pod: { metadata, spec: { containers: [] } },
    status: { containerStatuses: [{ ...base, ...status }] },
  };
  try {
    return instanceOf(worker, "c", instances, previous).id;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

test("the previous log of a container that waits after its crash is that of the crash", () => {
  const waits = { state: { waiting: { reason: "CrashLoopBackOff" } } };
  const first = { ...waits, lastState: ended("a") };
  expect(shown([instance("a", "exited")], first, true)).toBe("a");
  const both = [instance("b", "exited"), instance("a", "exited")];
  expect(shown(both, { ...waits, lastState: ended("b") }, true)).toBe("b");
  expect(shown(both, { ...waits, lastState: ended("b") }, false)).toBe("b");
});

test("that of one that runs again, or has ended for good, is the one before", () => {
  const lastState = ended("a");
  const [a, b] = [instance("a", "exited"), instance("b", "running")];
  expect(shown([b, a], { state: { running: {} }, lastState }, true)).toBe("a");
  expect(shown([instance("b", "exited"), a], { state: ended("b"), lastState }, true)).toBe("a");
  const none = 'previous terminated container "c" in pod "p" not found';
  expect(shown([b], { state: { running: {} }, lastState: {} }, true)).toBe(none);
});

test("the log of one that is being started is that of before, if there is one", () => {
  const made = instance("b", "created");
  const waiting = { state: { waiting: { reason: "ErrImagePull" } } };
  expect(shown([made, instance("a", "exited")], waiting, false)).toBe("a");
  expect(shown([made], waiting, false)).toMatch("waiting to start: trying and failing to pull");
});
