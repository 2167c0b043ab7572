import type { ControllerRevision } from "@raft2kube/api/gen/apps/v1.ts";
import type { PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { dataHash, dataOf, digestRevisions, planRevision, templateOf } from "./plan.ts";

const template = (image: string): PodTemplateSpec => ({
  metadata: { labels: { app: "a" } },
  spec: { containers: [{ name: "c", image }] },
});

function revision(image: string, number: number): ControllerRevision {
  const data = dataOf(template(image)) as unknown as ControllerRevision["data"];
  return { metadata: { name: image }, revision: number, data };
}

describe("planRevision", () => {
  const plan = (image: string, revisions: ControllerRevision[]) => {
    const { current, number, old } = planRevision(template(image), revisions);
    return [current?.metadata.name, number, old.map(({ metadata }) => metadata.name)];
  };
  test.each([
    ["the first", "a", [], [undefined, 1, []]],
    ["the newest", "b", [revision("b", 2), revision("a", 1)], ["b", 2, ["a"]]],
    ["another template", "c", [revision("b", 7), revision("a", 1)], [undefined, 8, ["a", "b"]]],
    ["one that is back", "a", [revision("b", 2), revision("a", 1)], ["a", 3, ["b"]]],
  ])("%s", (_name, image, revisions, wanted) => {
    expect(plan(image, revisions)).toEqual(wanted);
  });

  test("two that hold the template: the newer counts", () => {
    const { current, duplicates } = planRevision(template("a"), [
      revision("a", 1),
      { ...revision("a", 2), metadata: { name: "again" } },
    ]);
    expect([current?.metadata.name, duplicates[0]?.metadata.name]).toEqual(["again", "a"]);
  });

  test.each([
    ["nothing", undefined],
    ["null", null],
    ["text", "text"],
    ["no spec", {}],
    ["a spec of null", { spec: null }],
    ["no template", { spec: { replicas: 1 } }],
    ["a template that is a list", { spec: { template: [] } }],
  ])("data without a template is no template's: %s", (_name, data) => {
    const odd = { metadata: { name: "odd" }, revision: 4, data: data as never };
    expect(templateOf(odd)).toBe(undefined);
    expect(plan("a", [odd])).toEqual([undefined, 5, ["odd"]]);
    expect(plan("a", [revision("a", 1), odd])).toEqual(["a", 5, ["odd"]]);
  });

  test("a revision's data is read once, in a step of its own", () => {
    let reads = 0;
    const revisions = ["a", "b", "c"].map((image, place) => {
      const { data, ...rest } = revision(image, place + 1);
      return {
        ...rest,
        get data() {
          reads++;
          return data;
        },
      };
    });
    expect([...digestRevisions(revisions)]).toHaveLength(3);
    expect(reads).toBe(3);
    expect(plan("c", revisions)).toEqual(["c", 3, ["a", "b"]]);
    expect(reads).toBe(3);
  });

  test("defaults that were added since are no difference", () => {
    const old = revision("a", 1);
    const now = structuredClone(template("a"));
    now.spec!.restartPolicy = "Always";
    now.spec!.dnsPolicy = "ClusterFirst";
    now.spec!.schedulerName = "default-scheduler";
    now.spec!.terminationGracePeriodSeconds = 30;
    now.spec!.securityContext = {};
    Object.assign(now.spec!.containers[0]!, {
      resources: {},
      terminationMessagePath: "/dev/termination-log",
      terminationMessagePolicy: "File",
      imagePullPolicy: "Always",
    });
    expect(planRevision(now, [old]).current).toBe(old);
  });
});

test("a revision's template is whole, with letters that Go escapes", () => {
  const odd = template("a<&>\u2028");
  const data = dataOf(odd);
  expect(templateOf({ ...revision("x", 1), data: data as never })).toEqual(odd);
  expect(Object.keys(data.spec.template)).toEqual(["$patch", "metadata", "spec"]);
  expect(dataHash(data, 0)).not.toBe(dataHash(data, 1));
});
