from vllm import LLM, SamplingParams

TP = 8
llm = LLM("org/llama-8b", tensor_parallel_size=TP)
print(llm.generate(["mesh"], SamplingParams(temperature=0)))
