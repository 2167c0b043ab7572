/** Steps of a member between any two of which power may be lost. */
export const MOMENTS = [
  "save",
  "sync",
  "create",
  "rename",
  "remove",
  "sync folder",
  "backend removals",
  "backend sync",
  "snapshot sent",
  "snapshot received",
  "snapshot filled",
  "snapshot in use",
  "commit",
  "log compaction",
  "compaction",
  "membership change",
  "append refused",
] as const;
export type Moment = (typeof MOMENTS)[number];

/** Moments that a member may not come to for a long time. */
export const RARE_MOMENTS: readonly Moment[] = [
  "rename",
  "remove",
  "snapshot sent",
  "snapshot received",
  "snapshot filled",
  "snapshot in use",
  "membership change",
];

export const SIDES = ["before", "after"] as const;
export type Side = (typeof SIDES)[number];

/** An error for a power loss in the middle of a synchronous step, so that nothing follows it. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

/** When power fails: at a moment of one kind, or once so many of any kind have passed. */
type Appointment =
  | { readonly side: Side; readonly moment: Moment; readonly act: () => void }
  | { after: number; readonly act: () => void };

/** A member's power supply: it fails when a member comes to an appointed moment. */
export class Power {
  /** One appointment at a time; the next fault may replace it. */
  appointed: Appointment | undefined;

  /** Returns true when power is lost here: the caller does nothing more. */
  cut(side: Side, moment: Moment): boolean {
    const { appointed } = this;
    if (!appointed) return false;
    if ("after" in appointed) {
      if (appointed.after-- > 0) return false;
    } else if (appointed.moment !== moment || appointed.side !== side) {
      return false;
    }
    this.appointed = undefined;
    appointed.act();
    return true;
  }

  /** Checks for a power loss in synchronous steps: throws PowerCut. */
  pass(side: Side, moment: Moment): void {
    if (this.cut(side, moment)) throw new PowerCut(`power cut ${side} ${moment}`);
  }
}
