/**
 * The power spectrum of a frame: an iterative radix-2 FFT (Cooley and Tukey, 1965) with a Hann window.
 */

/**
 * @param {number} size of a frame, a power of two
 * @returns {(samples: Float32Array, from: number, power: Float32Array) => void} fills `size / 2` powers of the frame
 *   that starts at `from`; what lies outside of the samples is silence
 */
export function spectrumOf(size) {
  const window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const cos = Float32Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
  const sin = Float32Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
  const reversed = bitReversed(size);
  const re = new Float32Array(size);
  const im = new Float32Array(size);
  return (samples, from, power) => {
    for (let i = 0; i < size; i += 1) re[reversed[i]] = (samples[from + i] ?? 0) * window[i];
    im.fill(0);
    transform(re, im, cos, sin);
    for (let i = 0; i < size / 2; i += 1) power[i] = re[i] * re[i] + im[i] * im[i];
  };
}

function bitReversed(size) {
  const bits = Math.log2(size);
  return Uint16Array.from({ length: size }, (_, i) => {
    let turned = 0;
    for (let bit = 0; bit < bits; bit += 1) turned |= ((i >> bit) & 1) << (bits - 1 - bit);
    return turned;
  });
}

function transform(re, im, cos, sin) {
  const size = re.length;
  for (let half = 1; half < size; half *= 2) {
    const step = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let k = 0; k < half; k += 1) {
        const a = start + k;
        const b = a + half;
        const realPart = re[b] * cos[k * step] - im[b] * sin[k * step];
        const imagPart = re[b] * sin[k * step] + im[b] * cos[k * step];
        re[b] = re[a] - realPart;
        im[b] = im[a] - imagPart;
        re[a] += realPart;
        im[a] += imagPart;
      }
    }
  }
}
