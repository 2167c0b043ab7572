import { KINDS, kindOf } from "@raft2kube/api/kinds.ts";
import { expect, it } from "vitest";
import { readRuntimeConfig } from "./runtime-config.ts";

const pods = kindOf("", "v1", "Pod")!;
const deployments = kindOf("apps", "v1", "Deployment")!;
const cronjobs = kindOf("batch", "v1", "CronJob")!;
const jobs = kindOf("batch", "v1", "Job")!;

it.each([
  ["", [true, true, true, true]],
  ["batch/v1=false", [true, true, false, false]],
  ["batch/v1/cronjobs=false", [true, true, false, true]],
  ["api/all=false,v1=true", [true, false, false, false]],
  ["api/all=false,batch/v1,batch/v1/cronjobs=false", [false, false, false, true]],
  ["api/ga=false,apps/v1=true", [false, true, false, false]],
  ["api/all=false,api/ga=true", [true, true, true, true]],
])("%j", (text, served) => {
  const serves = readRuntimeConfig(text, KINDS);
  expect([pods, deployments, cronjobs, jobs].map(serves)).toEqual(served);
});

it.each([
  ["apps/v7=true", /apps\/v7 is neither/],
  ["apps/v1/trains=false", /apps\/v1\/trains is neither/],
  ["apps/v1=perhaps", /must be true or false/],
  ["autoscaling/v2beta2=true", /v2beta2 ended in Kubernetes 1.26: use autoscaling\/v2$/],
  ["networking.k8s.io/v1beta1/ingresses", /ingresses of .* in Kubernetes 1.22: use networking/],
  // The version came back with other kinds, which this server does not have.
  ["networking.k8s.io/v1beta1/ipaddresses", /is neither/],
])("%s is refused by name", (text, why) => {
  expect(() => readRuntimeConfig(text, KINDS)).toThrow(why);
});
