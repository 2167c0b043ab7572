import { systemClock } from "@raft2kube/std/clock.ts";
import { judge } from "../judge.ts";
import { drawDiagram } from "../raft/diagram.ts";
import type { TraceEvent } from "../raft/trace.ts";
import { type Acknowledged, Load } from "./load.ts";
import { type Member, Members } from "./members.ts";
import { awaitProgress } from "./progress.ts";

/** Writes between two events. */
const WRITES = 200;
const STATUS_TIMEOUT_MS = 500;
const DIAGRAM_LINES = 60;

const clock = systemClock();

/** Results of the finish. */
export type Finish = { readonly acknowledged: number; readonly diagram: readonly string[] };

/**
 * Runs three members of a program's store through load, the leader's death, a partition and a power
 * failure of all, and reads back every acknowledged write from every member. Throws a judgement,
 * with the diagram, when a write is lost or the majority makes no progress.
 */
export async function playFinish(program: string): Promise<Finish> {
  const members = new Members(program);
  const run = new Run(members);
  try {
    await members.start();
    await run.play();
    return { acknowledged: run.acknowledged, diagram: run.diagram() };
  } catch (thrown) {
    const said = thrown instanceof Error ? thrown.message : String(thrown);
    const text = `${said}\n\nin seconds:\n${run.diagram().join("\n")}`;
    throw new Error(text, { cause: thrown });
  } finally {
    await run.end();
    await members.close();
  }
}

class Run {
  readonly #members: Members;
  readonly #begun_ms = clock.monotonic();
  readonly #events: TraceEvent[] = [];
  #load: Load | undefined;
  #leader: { readonly member: Member; readonly term: number } | undefined;

  constructor(members: Members) {
    this.#members = members;
  }

  get acknowledged(): number {
    return this.#load?.acknowledged.size ?? 0;
  }

  diagram(): string[] {
    const ids = this.#members.all.map(({ id }) => BigInt(id));
    return drawDiagram(this.#events, ids, DIAGRAM_LINES);
  }

  async end(): Promise<void> {
    await this.#load?.end();
  }

  async play(): Promise<void> {
    await this.#await("a leader", "three members start", () => this.#findLeader());
    this.#load = new Load(this.#members.all);
    await this.#write("three members are up");
    await this.#killLeader();
    await this.#partitionLeader();
    await this.#powerFailure();
    await this.#load.end();
    await this.#readBack(this.#load.acknowledged);
  }

  async #killLeader(): Promise<void> {
    const { member } = this.#leader!;
    await member.kill();
    this.#note(member, "is killed");
    await this.#write(`the leader, member ${member.id}, is killed`);
    member.start();
    this.#note(member, "restarts");
    await this.#await("it serves", `member ${member.id} restarts`, () => this.#serves(member));
  }

  async #partitionLeader(): Promise<void> {
    await this.#findLeader();
    const { member } = this.#leader!;
    this.#members.cutOff(member, true);
    this.#note(member, "is cut off from the others");
    // Connected again before, it would still lead, and pass on what it must not have acknowledged.
    await this.#await(
      "another member leads",
      `the leader, member ${member.id}, is cut off`,
      async () => (await this.#findLeader()) && this.#leader!.member !== member,
    );
    await this.#write(`the leader, member ${member.id}, reaches no other member`);
    this.#members.cutOff(member, false);
    this.#note(member, "is connected again");
    await this.#write(`member ${member.id} is connected again`);
  }

  async #powerFailure(): Promise<void> {
    const { all } = this.#members;
    await Promise.all(all.map((member) => member.kill()));
    for (const member of all) this.#note(member, "is killed");
    for (const member of all) {
      member.start();
      this.#note(member, "restarts");
    }
    await this.#write("all three were killed and restart");
  }

  /** Every member answers from its own state, which by then has every acknowledged write. */
  async #readBack(acknowledged: Acknowledged): Promise<void> {
    for (const member of this.#members.all) {
      await this.#await("it serves", "the load has ended", () => this.#serves(member));
      const { kvs } = await member.client.range({ key: Buffer.of(0), rangeEnd: Buffer.of(0) });
      const found = new Map(kvs.map(({ key, value }) => [key.toString(), value.toString()]));
      const lost = [...acknowledged].filter(([key, value]) => found.get(key) !== value);
      if (lost.length > 0) this.#note(member, `lacks ${lost.length} acknowledged writes`);
      judge(lost.length === 0, {
        when: `member ${member.id} is read after load, a killed leader, a partition and a restart`,
        expected: `all ${acknowledged.size} acknowledged writes`,
        happened: `${lost.length} are missing, for example ${lost[0]?.join(" = ")}`,
        why: "an acknowledged write must survive what a minority of the members suffers (S1)",
      });
      this.#note(member, `has all ${acknowledged.size} acknowledged writes`);
    }
  }

  /** Waits until as many writes as usual are acknowledged. */
  async #write(situation: string): Promise<void> {
    const before = this.acknowledged;
    await this.#await(`${WRITES} writes are acknowledged`, situation, async () => {
      await this.#findLeader();
      return this.acknowledged >= before + WRITES;
    });
    const { member } = this.#leader!;
    this.#note(member, `acknowledges: ${this.acknowledged - before} more writes`);
  }

  #await(expected: string, when: string, condition: () => Promise<boolean>): Promise<void> {
    return awaitProgress({ expected, when, condition, members: this.#members.all });
  }

  /** Notes the member that leads in the newest term; false while there is none. */
  async #findLeader(): Promise<boolean> {
    const found = await Promise.all(this.#members.all.map((member) => leadership(member)));
    const leaders = found.flatMap((each) => (each === undefined ? [] : [each]));
    const newest = leaders.sort((a, b) => b.term - a.term)[0];
    if (newest === undefined) return false;
    const known = this.#leader;
    if (newest.term > (known?.term ?? 0)) {
      this.#leader = newest;
      this.#note(newest.member, `leads term ${newest.term}`);
    }
    return true;
  }

  async #serves(member: Member): Promise<boolean> {
    const read = member.client.range({ key: Buffer.from("0") }, { timeout_ms: STATUS_TIMEOUT_MS });
    return read.then(
      () => true,
      () => false,
    );
  }

  #note(member: Member, text: string): void {
    const at_ms = clock.monotonic() - this.#begun_ms;
    this.#events.push({ kind: "note", at_ms, at: BigInt(member.id), text });
  }
}

/** The term that a member leads; undefined when it does not lead, or does not answer. */
async function leadership(member: Member) {
  if (!member.up) return undefined;
  const status = member.client.status({ timeout_ms: STATUS_TIMEOUT_MS }).catch(() => undefined);
  const answer = await status;
  if (!answer || answer.leader !== answer.header?.memberId) return undefined;
  return { member, term: answer.raftTerm };
}
