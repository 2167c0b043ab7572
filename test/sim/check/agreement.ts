import { require } from "../../../testing/violation.ts";

/** Each member's state at an index is the one that the commands up to there lead to (S3, S4). */
export class StateAgreement {
  readonly #expected = new Map<number, () => string>();
  readonly #early = new Map<number, { member: bigint; digest: string }[]>();
  compared = 0;

  /** The model's state at an index, computed at the first request: most are never needed. */
  expect(index: number, digest: () => string): void {
    this.#expected.set(index, digest);
    for (const seen of this.#early.get(index) ?? []) this.#compare(index, seen, digest());
    this.#early.delete(index);
  }

  /** Records the digest of a member's state at an index. */
  seen(member: bigint, index: number, digest: string): void {
    const expected = this.#expected.get(index);
    if (expected !== undefined) return this.#compare(index, { member, digest }, expected());
    this.#early.set(index, [...(this.#early.get(index) ?? []), { member, digest }]);
  }

  #compare(index: number, { member, digest }: { member: bigint; digest: string }, want: string) {
    this.compared++;
    const message = () => `${member} at ${index} has\n  ${digest}\nand should have\n  ${want}`;
    require(digest === want, "state agreement", message);
  }
}
