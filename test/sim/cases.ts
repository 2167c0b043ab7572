/**
 * Seeds that once failed, and why: they run in every test, though a change of the simulator makes
 * another run of a seed. What they found has a test beside the code where that can be said simply.
 */
export const CASES: readonly { seed: number; found: string }[] = [
  { seed: 4, found: "records removed from the backend before it knew of the compaction (S6)" },
  { seed: 23, found: "a snapshot received while another was installed was removed (S4)" },
];
