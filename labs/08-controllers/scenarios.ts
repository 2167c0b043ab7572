/** Events of a `Loop`, each with the requests that follow from it. */
export interface LoopScenario {
  readonly title: string;
  readonly why: string;
  readonly transcript: readonly (readonly [event: string, ...requests: string[]])[];
}

const THREE = ["create web-1", "create web-2", "create web-3"] as const;

export const SCENARIOS: readonly LoopScenario[] = [
  {
    title: "what is missing is created, what is lost is replaced, a surplus is deleted",
    why: "the loop compares what is wanted with what exists, at every change of either",
    transcript: [
      ["scale 3", ...THREE],
      ["deliver"],
      ["lose web-2"],
      ["deliver", "create web-4"],
      ["deliver"],
      ["scale 1", "delete web-4", "delete web-3"],
      ["deliver"],
      ["look"],
    ],
  },
  {
    title: "a watch that is late makes no pod twice",
    why: "the copy does not show the new pods yet: who counts it creates them again",
    transcript: [
      ["scale 3", ...THREE],
      ["look"],
      ["deliver 1"],
      ["deliver 1"],
      ["deliver 1"],
      ["look"],
    ],
  },
  {
    title: "a watch that is late deletes no second pod",
    why: "who counts a copy that still has the deleted pod deletes another one",
    transcript: [
      ["scale 3", ...THREE],
      ["deliver"],
      ["scale 2", "delete web-3"],
      ["look"],
      ["look"],
      ["deliver"],
      ["look"],
    ],
  },
  {
    title: "a refused request is tried again after 5, 10 and 20 ms",
    why: "a quota may be raised at any time, and a server that is down must not be flooded",
    transcript: [
      ["refuse"],
      ["scale 1", "create web-1: refused"],
      ["wait 4"],
      ["wait 1", "create web-2: refused"],
      ["wait 9"],
      ["wait 1", "create web-3: refused"],
      ["accept"],
      ["wait 19"],
      ["wait 1", "create web-4"],
      ["deliver"],
      ["refuse"],
      ["lose web-4"],
      ["deliver", "create web-5: refused"],
      ["wait 5", "create web-6: refused"],
    ],
  },
  {
    title: "after a watch that broke off, the list shows what is gone",
    why: "events of the meantime are lost for ever: only the list can show that a pod is missing",
    transcript: [
      ["scale 2", "create web-1", "create web-2"],
      ["deliver"],
      ["lose web-1"],
      ["relist", "create web-3"],
      ["relist"],
      ["look"],
    ],
  },
  {
    title: "what is not seen for five minutes is given up",
    why: "an event that never comes must not stop a controller for ever",
    transcript: [
      ["scale 2", "create web-1", "create web-2"],
      ["deliver 1"],
      ["wait 300000"],
      ["look"],
      ["wait 1"],
      ["look", "create web-3"],
    ],
  },
];
