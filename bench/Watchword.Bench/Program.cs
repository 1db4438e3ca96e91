using Watchword.Bench;

if (args is ["scrypt"])
{
    ScryptBench.Print();
    return 0;
}

Console.WriteLine("usage: bench/run main");
return 0;
