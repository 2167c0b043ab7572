import { expect, it } from "vitest";
import { firstDeviation, shownPart } from "./deviation.ts";
import { Playback } from "./playback.ts";
import { plainState, Recorder } from "./recorder.ts";
import { SHOWN_BEFORE_DEVIATION, SHOWN_EVENTS_MAX } from "./recording.ts";
import { describeCase } from "./replay-lab.ts";

/** Two members; `beats` heartbeats, then an append that is lost unless `arrives`. */
function recordingOf(beats: number, { arrives = false, failure = "" } = {}) {
  let now = 0;
  const recorder = new Recorder("ms", () => now);
  recorder.track("1", "member 1", plainState("leader"));
  recorder.track("2", "member 2", plainState("follower"));
  const message = { from: "1", to: "2", detail: "" };
  for (let i = 0; i < beats; i++) {
    const key = {};
    recorder.sent(key, { ...message, family: "heartbeat", label: "heartbeat" });
    now += 1;
    recorder.arrived(key, false);
    now += 49;
  }
  const key = {};
  recorder.sent(key, { ...message, family: "append", label: "append 1" });
  now += 1;
  recorder.arrived(key, !arrives);
  const cells = [{ index: 1, group: 1, text: "x" }];
  if (arrives) recorder.state("2", plainState("follower", { cells }));
  now += 10;
  return recorder.finish(failure === "" ? undefined : failure);
}

it("a state is recorded when it changes, and only what changed", () => {
  const recorder = new Recorder("step", () => 1);
  recorder.track("a", "a", plainState("follower"));
  recorder.state("a", plainState("follower"));
  recorder.state("a", plainState("leader"));
  expect(recorder.finish().events).toEqual([
    { kind: "state", at: 1, track: "a", change: { role: "leader" } },
  ]);
});

it("two runs are the same up to their first different event", () => {
  expect(firstDeviation(recordingOf(3), recordingOf(3))).toBeUndefined();
  const deviation = firstDeviation(recordingOf(3), recordingOf(3, { arrives: true }));
  expect(deviation).toMatchObject({ own: 4, at: 151 });
  expect(firstDeviation(recordingOf(2), recordingOf(3))).toMatchObject({ own: 2, at: 100 });
});

it("a long recording is cut around the deviation, or to its end when it failed", () => {
  const long = recordingOf(3 * SHOWN_EVENTS_MAX, { arrives: true });
  const at = 2 * SHOWN_EVENTS_MAX;
  const { recording, dropped } = shownPart(long, at);
  expect([dropped, recording.events.length]).toEqual([
    at - SHOWN_BEFORE_DEVIATION,
    SHOWN_EVENTS_MAX,
  ]);
  expect(recording.events[at - dropped]).toEqual(long.events[at]);
  const failed = shownPart(recordingOf(3 * SHOWN_EVENTS_MAX, { failure: "lost" }), undefined);
  expect(failed.recording.events.at(-1)).toMatchObject({ label: "append 1" });
  expect(failed.recording.end).toBe(recordingOf(3 * SHOWN_EVENTS_MAX).end);
});

it("a cut recording begins with the states that held there", () => {
  let now = 0;
  const recorder = new Recorder("step", () => now);
  recorder.track("a", "a", plainState("follower"));
  for (now = 1; now <= 2 * SHOWN_EVENTS_MAX; now++) {
    recorder.state("a", plainState("follower", { facts: { now } }));
  }
  const { recording } = shownPart(recorder.finish("failed"), undefined);
  expect(recording.tracks[0]!.initial.facts).toEqual({ now: SHOWN_EVENTS_MAX });
});

it("a playback answers what holds, what is in flight, and where the next step is", () => {
  const playback = new Playback(recordingOf(2, { arrives: true }));
  expect(playback.inFlightAt(100.5).map(({ label }) => label)).toEqual(["append 1"]);
  expect(playback.inFlightAt(101)).toEqual([]);
  expect(playback.stateAt("2", 100.9).cells).toEqual([]);
  expect(playback.stateAt("2", 101).cells).toHaveLength(1);
  // Heartbeats are no steps.
  expect(playback.step(0, 1)).toBe(100);
  expect(playback.step(100, 1)).toBe(101);
  expect(playback.step(101, -1)).toBe(100);
  expect(playback.step(101, 1)).toBe(playback.recording.end);
});

it("places grow with time, and lead back to it; idle time takes little place", () => {
  const playback = new Playback(recordingOf(5, { arrives: true }));
  for (const at of [0, 0.5, 1, 30, 250, 250.5, 251, 260]) {
    expect(playback.timeAt(playback.placeOf(at))).toBeCloseTo(at, 6);
  }
  const [idle, busy] = [
    playback.placeOf(50) - playback.placeOf(1),
    playback.placeOf(251) - playback.placeOf(250),
  ];
  expect(idle).toBeLessThan(busy);
});

it("a run that held and differs from the reference's is said to be no mistake", () => {
  const own = recordingOf(3);
  const deviation = { at: 289.83, own: 4, reference: 4 };
  const one = { title: "a case", about: "", variant: "seed 1", command: "", own };
  expect(describeCase(one)).toBe("a case (seed 1): every promise held");
  const since = "differs from the reference's run from 0.2898 s on";
  expect(describeCase({ ...one, deviation })).toBe(
    `a case (seed 1): every promise held; ${since}, which is no mistake in itself`,
  );
  const failed = { ...one, own: { ...own, failure: "lost\nmore" }, deviation };
  expect(describeCase(failed)).toBe(`a case (seed 1): lost; ${since}`);
});
