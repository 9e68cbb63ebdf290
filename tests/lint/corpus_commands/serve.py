import vllm

TP = 3  # finds: TP002, TP003, TP022
llm = vllm.LLM(model="org/llama-8b", tensor_parallel_size=TP)
