import { describe, expect, it } from "vitest";
import type { Ticket } from "./queue.ts";
import { type Limiting, QueueSet } from "./queue-set.ts";
import { dealHand } from "./shuffle.ts";
import { ONE_SEAT, type Work } from "./work.ts";

const QUEUES: Limiting = { type: "queue", queues: 64, handSize: 6, queueLength_max: 50 };

/** A queue set on a clock of its own, and how its requests come and go. */
function setOf(limiting: Limiting, seats: number) {
  const state = { now_ms: 0 };
  const set = new QueueSet(limiting, seats, 0);
  const arrive = (distinguisher: string, work: Work = ONE_SEAT) =>
    set.start(
      { schema: "s", distinguisher, work, dispatched: () => undefined, subject: undefined },
      state.now_ms,
    );
  const ticket = (distinguisher: string, work?: Work): Ticket => {
    const got = arrive(distinguisher, work);
    expect(got).toBeTypeOf("object");
    return got as Ticket;
  };
  const end = (one: Ticket, took_ms: number) => {
    state.now_ms += took_ms;
    return set.finish(one, state.now_ms);
  };
  return { set, state, arrive, ticket, end };
}

const wide = (seats: number): Work => ({ ...ONE_SEAT, seats });

describe("a queue set", () => {
  it("gives flows the same seat seconds, however many requests each has waiting", () => {
    const { set, state, ticket } = setOf(QUEUES, 4);
    const got = { many: 0, few: 0 };
    const fill = () => {
      for (const [flow, count] of [
        ["many", 40],
        ["few", 4],
      ] as const) {
        const waiting = [...set.queues]
          .flatMap(({ tickets }) => [...tickets])
          .filter(({ distinguisher }) => distinguisher === flow).length;
        for (let n = waiting; n < count; n++) ticket(flow);
      }
    };
    // Requests of "many" take twice as long as those of "few".
    for (let round = 0; round < 3_000; round++) {
      fill();
      state.now_ms += 5;
      for (const each of [...set.tickets]) {
        const flow = each.distinguisher as keyof typeof got;
        const needs_ms = flow === "many" ? 20 : 10;
        if (state.now_ms - each.started_ms < needs_ms) continue;
        got[flow] += needs_ms;
        set.finish(each, state.now_ms);
      }
    }
    // Each queue has its part, and a flow with more waiting spreads over more of its hand.
    expect(got.few / (got.many + got.few)).toBeGreaterThan(0.25);
    expect(set.seatsInUse).toBe(4);
  });

  it("serves a flow that comes late before the rest of one that fills its queues", () => {
    const { set, ticket, end } = setOf({ ...QUEUES, queues: 1_000 }, 1);
    const first = ticket("greedy");
    for (let n = 0; n < 100; n++) ticket("greedy");
    const late = ticket("late");
    let running = first;
    for (let n = 0; n < 8 && late.state !== "executing"; n++) {
      end(running, 3);
      [running] = [...set.tickets] as [Ticket];
    }
    expect(late.state).toBe("executing");
  });

  it.each([
    ["of queues of their own", { ...QUEUES, queues: 1_000 }],
    ["of one queue", { ...QUEUES, queues: 1, handSize: 1, queueLength_max: 300 }],
  ])("leaves seats to further flows, %s, while requests of others do not end", (_, limiting) => {
    const { set, ticket, end } = setOf(limiting, 100);
    const started = (flow: string) => {
      const tickets = Array.from({ length: 120 }, () => ticket(flow));
      return tickets.filter(({ state }) => state === "executing");
    };
    const hanging = ["a", "b", "c"].map(started);
    expect(hanging.map(({ length }) => length)).toEqual([75, 19, 5]);
    const [first, second] = [ticket("late"), ticket("late")];
    expect([first.state, second.state]).toEqual(["executing", "waiting"]);
    end(first, 1);
    expect(second.state).toBe("executing");
    end(second, 1);
    expect(set.seatsInUse).toBe(99);
  });

  it("counts the seats of a flow of which nothing waits, also when some of its requests end", () => {
    const { ticket, end } = setOf(QUEUES, 100);
    const [first] = Array.from({ length: 75 }, () => ticket("a"));
    end(first!, 1);
    expect([ticket("a"), ticket("a")].map(({ state }) => state)).toEqual(["executing", "waiting"]);
  });

  it("refuses a request whose queue is full, and only if there are no seats", () => {
    const { set, arrive } = setOf({ ...QUEUES, queues: 6, queueLength_max: 2 }, 1);
    const outcomes = Array.from({ length: 14 }, () => arrive("a"));
    expect(outcomes.slice(0, 13).every((each) => typeof each === "object")).toBe(true);
    expect(outcomes[13]).toBe("queue-full");
    expect(set.flows.get("s")!.refused.get("queue-full")).toBe(1);
  });

  it("without queues refuses what has no seats, and exempt it never does", () => {
    const reject = setOf({ type: "reject" }, 2);
    const [a, b] = [reject.arrive("a"), reject.arrive("a")] as Ticket[];
    expect([a!.state, b!.state]).toEqual(["executing", "executing"]);
    expect(reject.arrive("a")).toBe("concurrency-limit");
    reject.end(a!, 1);
    expect(reject.ticket("a").state).toBe("executing");
    expect([reject.arrive("b"), reject.set.busyFlows]).toEqual(["concurrency-limit", 1]);
    const exempt = setOf({ type: "exempt" }, 0);
    for (let n = 0; n < 9; n++) expect(exempt.ticket("a", wide(9)).state).toBe("executing");
  });

  it("lets a request that is wider than all seats start alone, and others after it", () => {
    const { ticket, end } = setOf(QUEUES, 4);
    const small = ticket("a");
    const large = ticket("b", wide(9));
    expect(large.state).toBe("waiting");
    end(small, 1);
    expect(large.state).toBe("executing");
    const next = ticket("a");
    expect(next.state).toBe("waiting");
    end(large, 1);
    expect(next.state).toBe("executing");
  });

  it("keeps a write's seats until its events are sent", () => {
    const { set, state, ticket, end } = setOf(QUEUES, 10);
    const write = ticket("a", { seats: 1, finalSeats: 10, extra_ms: 5 });
    const next = ticket("b");
    expect(end(write, 2)).toBe(5);
    expect([set.executing, set.seatsInUse, next.state]).toEqual([0, 10, "waiting"]);
    state.now_ms += 5;
    set.release(write, state.now_ms);
    expect(next.state).toBe("executing");
  });

  it("makes final seats that it does not have fewer, for longer", () => {
    const { set, ticket, end } = setOf(QUEUES, 4);
    const write = ticket("a", { seats: 1, finalSeats: 10, extra_ms: 6 });
    expect(set.seatsInUse).toBe(4);
    expect(end(write, 1)).toBe(15);
  });

  it("starts what waits when it gets more seats, and forgets what is withdrawn", () => {
    const { set, ticket } = setOf(QUEUES, 1);
    const [first, second, third] = ["a", "b", "c"].map((flow) => ticket(flow));
    set.withdraw(second!, "cancelled", 0);
    set.configure(QUEUES, 2, 0);
    expect([first, second, third].map((each) => each!.state)).toEqual([
      "executing",
      "over",
      "executing",
    ]);
    expect([set.waiting, set.seatsWaiting]).toEqual([0, 0]);
  });

  it("has what its requests have, whatever happens in which order", () => {
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const few: Limiting = { type: "queue", queues: 8, handSize: 3, queueLength_max: 5 };
    const { set, state, arrive } = setOf(few, 6);
    const known: Ticket[] = [];
    for (let step = 0; step < 20_000; step++) {
      state.now_ms += random(3);
      const one = known[random(Math.max(1, known.length))];
      switch (random(5)) {
        case 0:
        case 1: {
          const work = { seats: 1 + random(8), finalSeats: random(4), extra_ms: random(2) * 5 };
          const got = arrive(`flow-${random(12)}`, work);
          if (typeof got === "object") known.push(got);
          break;
        }
        case 2:
          if (one) set.finish(one, state.now_ms);
          break;
        case 3:
          if (one) set.release(one, state.now_ms);
          break;
        default:
          if (one && random(4) === 0) set.withdraw(one, "time-out", state.now_ms);
          if (random(200) === 0) set.configure(QUEUES, 1 + random(12), state.now_ms);
      }
      const count = (...states: string[]) => known.filter((each) => states.includes(each.state));
      const seats = (of: Ticket[]) => of.reduce((sum, { width }) => sum + width, 0);
      if (step % 50 !== 0) continue;
      expect(set.waiting).toBe(count("waiting").length);
      expect(set.executing).toBe(count("executing").length);
      expect(set.seatsInUse).toBe(seats(count("executing", "lingering")));
      expect(set.seatsWaiting).toBe(seats(count("waiting")));
      for (const over of count("over")) known.splice(known.indexOf(over), 1);
    }
    for (const each of known) {
      set.withdraw(each, "time-out", state.now_ms);
      if (set.finish(each, state.now_ms) > 0 || each.state === "lingering") {
        set.release(each, state.now_ms);
      }
    }
    for (const each of [...set.tickets]) {
      set.finish(each, state.now_ms);
      set.release(each, state.now_ms);
    }
    expect([set.seatsInUse, [...set.queues].length, set.busyFlows]).toEqual([0, 0, 0]);
  });
});

describe("a hand", () => {
  it("has different queues, all of them equally often", () => {
    const often = Array.from({ length: 16 }, () => 0);
    for (let flow = 0; flow < 8_000; flow++) {
      const hand = dealHand(`flow ${flow}`, 16, 4);
      expect(new Set(hand).size).toBe(4);
      for (const queue of hand) often[queue]!++;
    }
    for (const count of often) expect(Math.abs(count - 2_000)).toBeLessThan(250);
  });

  it("is the same for the same flow, and seldom shared", () => {
    expect(dealHand("a", 128, 6)).toEqual(dealHand("a", 128, 6));
    const hands = Array.from({ length: 500 }, (_, n) => dealHand(`${n}`, 128, 6).toSorted().join());
    expect(new Set(hands).size).toBe(500);
  });
});
