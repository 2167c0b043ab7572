import type { Playback } from "../playback.ts";

/** Pixels of the recording that pass in a second at speed 1. */
const PIXELS_PER_S = 130;
/** A tab in the background is drawn rarely: it must not jump ahead. */
const FRAME_MS_MAX = 100;

/** The present of a recording: it plays, stops, and is moved. */
export class Player {
  readonly #playback: Playback;
  readonly #onChange: () => void;
  #at: number;
  #lastFrame_ms: number | undefined;
  speed = 1;

  constructor(playback: Playback, at: number, onChange: () => void) {
    this.#playback = playback;
    this.#onChange = onChange;
    const { begin, end } = playback.recording;
    this.#at = Math.min(end, Math.max(begin, at));
  }

  get at(): number {
    return this.#at;
  }

  get isPlaying(): boolean {
    return this.#lastFrame_ms !== undefined;
  }

  seek(at: number): void {
    const { begin, end } = this.#playback.recording;
    this.#at = Math.min(end, Math.max(begin, at));
    this.#onChange();
  }

  step(direction: 1 | -1): void {
    this.stop();
    this.seek(this.#playback.step(this.#at, direction));
  }

  toggle(): void {
    if (this.isPlaying) return this.stop();
    if (this.#at >= this.#playback.recording.end) this.#at = this.#playback.recording.begin;
    this.#lastFrame_ms = performance.now();
    requestAnimationFrame((now_ms) => this.#frame(now_ms));
    this.#onChange();
  }

  stop(): void {
    this.#lastFrame_ms = undefined;
    this.#onChange();
  }

  #frame(now_ms: number): void {
    if (this.#lastFrame_ms === undefined) return;
    const passed_ms = Math.min(FRAME_MS_MAX, Math.max(0, now_ms - this.#lastFrame_ms));
    this.#lastFrame_ms = now_ms;
    const place = this.#playback.placeOf(this.#at);
    const next = place + (passed_ms / 1_000) * PIXELS_PER_S * this.speed;
    if (next >= this.#playback.length) {
      this.#at = this.#playback.recording.end;
      return this.stop();
    }
    this.#at = this.#playback.timeAt(next);
    this.#onChange();
    requestAnimationFrame((later_ms) => this.#frame(later_ms));
  }
}
